// A library with the vendor's symbols and tables, and a front inside of it. It is compiled in
// variants, so that what the loader must accept and refuse exists on every machine.
//
//   VERSION    version string                     TABLE      12 or 13: the SPI table it calls
//   ID_OFFSET  where ticks and answers carry ids  CREATE     1: EPKcbb, 2: EPKcbbb, 3: both, 0: none
//   MULTICAST  exports what 13-slot libraries do  MARK       says that it is a simulated front
//   NULL_OBJECT, HANGS, WRONG_SLOT                what their names say
//   DIALS      Init connects to the registered front, as the vendor's does
//   LINGERS    Release returns when the next session is made

#include <arpa/inet.h>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace {

struct Api;
using Function = void (*)();

// Slots behind OnRspUserLogout moved by one when the table grew.
constexpr int MOVED = TABLE == 13 ? 1 : 0;

[[maybe_unused]] std::atomic<int> made{0};

struct Api {
    Function *table;
    void *spi = nullptr;
    int number = ++made;
    char flags[9] = "";
    std::thread thread;
    std::mutex mutex;
    std::condition_variable changed;
    bool login = false, stop = false;
    std::vector<std::string> subscribed;
    std::string front;

    template <class... Arguments> void call(int slot, Arguments... arguments) {
        auto functions = *static_cast<void (***)(void *, Arguments...)>(spi);
        functions[slot](spi, arguments...);
    }

    void run() {
        call(0);
        std::unique_lock<std::mutex> lock(mutex);
        while (!stop) {
            if (login) {
                login = false;
                char answer[512] = "20260105";
                // Clients subscribe from inside of this callback.
                lock.unlock();
                call(3, static_cast<void *>(answer), static_cast<void *>(nullptr), 1, true);
                lock.lock();
            }
            for (auto &id : subscribed) {
                char instrument[128] = {}, tick[600] = {};
                std::strcpy(instrument + (ID_OFFSET == 401 ? 31 : 0), id.c_str());
                call(6 + MOVED, static_cast<void *>(instrument), static_cast<void *>(nullptr), 0, true);
                std::strcpy(tick, "20260105");
                std::strcpy(tick + ID_OFFSET, id.c_str());
                double last = 3500.5;
                std::memcpy(tick + 80, &last, sizeof last);
                call(10 + MOVED, static_cast<void *>(tick));
            }
            subscribed.clear();
            changed.wait(lock);
        }
    }
};

void release(Api *api) {
#ifdef HANGS
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
#endif
#ifdef LINGERS
    while (made == api->number) std::this_thread::sleep_for(std::chrono::milliseconds(1));
#endif
    {
        std::lock_guard<std::mutex> lock(api->mutex);
        api->stop = true;
    }
    api->changed.notify_all();
    if (api->thread.joinable()) api->thread.join();
    delete api;
}
[[maybe_unused]] void dial(const std::string &front) {
    auto colon = front.rfind(':');
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<unsigned short>(std::stoi(front.substr(colon + 1))));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int made = socket(AF_INET, SOCK_STREAM, 0);
    connect(made, reinterpret_cast<sockaddr *>(&address), sizeof address);
}
void init(Api *api) {
#ifdef DIALS
    dial(api->front);
#endif
    api->thread = std::thread([api] { api->run(); });
}
const char *trading_day(Api *api) { return api->flags; }
void register_front(Api *api, char *address) { api->front = address; }
void register_spi(Api *api, void *spi) { api->spi = spi; }
int subscribe(Api *api, char **ids, int count) {
    std::lock_guard<std::mutex> lock(api->mutex);
    for (int i = 0; i < count; ++i) api->subscribed.push_back(ids[i]);
    api->changed.notify_all();
    return 0;
}
int request_login(Api *api, char *request, int) {
    // Too many in this second, for one user.
    if (std::strcmp(request + 20, "impatient") == 0) return -3;
    std::lock_guard<std::mutex> lock(api->mutex);
    api->login = true;
    api->changed.notify_all();
    return 0;
}
void nothing() {}

template <class F> Function entry(F function) { return reinterpret_cast<Function>(function); }

Function TABLE_OF_API[] = {
    entry(release), entry(init), nothing, entry(trading_day), entry(register_front), nothing, nothing,
    entry(register_spi), entry(subscribe), entry(subscribe), nothing, nothing, entry(request_login),
    nothing, nothing,
};

[[maybe_unused]] void *create(const char *flow, int udp, int multicast, int production) {
#ifdef NULL_OBJECT
    return nullptr;
#endif
    // As the vendor does: a file in the flow folder, at once.
    std::string path = std::string(flow) + "DialogRsp.con";
    std::FILE *file = std::fopen(path.c_str(), "w");
    if (!file) return nullptr;
    std::fclose(file);
    auto *api = new Api{TABLE_OF_API};
    std::snprintf(api->flags, sizeof api->flags, "%d%d%d", udp, multicast, production);
    return api;
}

} // namespace

extern "C" {
#ifdef VERSION
const char *_ZN15CThostFtdcMdApi13GetApiVersionEv() { return VERSION; }
#endif
#if CREATE & 1
void *_ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbb(const char *flow, bool udp, bool multicast) {
    return create(flow, udp, multicast, 9);
}
#endif
#if CREATE & 2
void *_ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbbb(const char *flow, bool udp, bool multicast, bool production) {
    return create(flow, udp, multicast, production);
}
#endif
#ifdef MULTICAST
void _ZN14CFtdcMdApiImpl25ReqQryMulticastInstrumentEP37CThostFtdcQryMulticastInstrumentFieldi() {}
#endif
#ifdef MARK
int tickdeck_sim_api_version = 1;
#endif
#ifdef WRONG_SLOT
void _ZN14CFtdcMdApiImpl12ReqUserLoginEP27CThostFtdcReqUserLoginFieldi() {}
#endif
}
