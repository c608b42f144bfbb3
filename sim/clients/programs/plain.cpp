// A client that declares the vendor's classes itself, so that it compiles everywhere. It logs in,
// subscribes and counts ticks.
//
//   plain FLOW COUNT ID...            linked with the market data library
//   plain FLOW COUNT ID...  -DOPENED  opens the library of the variable LIBRARY by itself
//
// It prints the version, the system's name, the trading day and the number of ticks, and ends with
// code 7. EARLY_END ends it before it creates anything. WAIT makes it stay until a signal; it then
// says when it has all ticks. LIMIT is how long it waits at most, in tenths of a second.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <thread>
#include <vector>

struct Login;
struct Answer;

class CThostFtdcMdSpi {
  public:
    virtual void OnFrontConnected() {}
    virtual void OnFrontDisconnected(int) {}
    virtual void OnHeartBeatWarning(int) {}
    virtual void OnRspUserLogin(void *, void *, int, bool) {}
    virtual void OnRspUserLogout(void *, void *, int, bool) {}
    virtual void OnRspQryMulticastInstrument(void *, void *, int, bool) {}
    virtual void OnRspError(void *, int, bool) {}
    virtual void OnRspSubMarketData(void *, void *, int, bool) {}
    virtual void OnRspUnSubMarketData(void *, void *, int, bool) {}
    virtual void OnRspSubForQuoteRsp(void *, void *, int, bool) {}
    virtual void OnRspUnSubForQuoteRsp(void *, void *, int, bool) {}
    virtual void OnRtnDepthMarketData(void *) {}
    virtual void OnRtnForQuoteRsp(void *) {}
};

class CThostFtdcMdApi {
  public:
    static CThostFtdcMdApi *CreateFtdcMdApi(const char *, bool, bool, bool);
    static const char *GetApiVersion();
    virtual void Release() = 0;
    virtual void Init() = 0;
    virtual int Join() = 0;
    virtual const char *GetTradingDay() = 0;
    virtual void RegisterFront(char *) = 0;
    virtual void RegisterNameServer(char *) = 0;
    virtual void RegisterFensUserInfo(void *) = 0;
    virtual void RegisterSpi(CThostFtdcMdSpi *) = 0;
    virtual int SubscribeMarketData(char **, int) = 0;
    virtual int UnSubscribeMarketData(char **, int) = 0;
    virtual int SubscribeForQuoteRsp(char **, int) = 0;
    virtual int UnSubscribeForQuoteRsp(char **, int) = 0;
    virtual int ReqUserLogin(void *, int) = 0;

  protected:
    ~CThostFtdcMdApi() {}
};

static std::vector<char *> ids;
static std::atomic<int> ticks{0};
static std::atomic<bool> over{false};
static std::string name;

struct Spi : CThostFtdcMdSpi {
    CThostFtdcMdApi *api = nullptr;

    void OnFrontConnected() override {
        alignas(8) char request[512] = {};
        std::strcpy(request + 9, "9999");
        std::strcpy(request + 20, "user");
        api->ReqUserLogin(request, 1);
    }
    void OnFrontDisconnected(int) override { over = true; }
    void OnRspUserLogin(void *answer, void *, int, bool) override {
        name = static_cast<char *>(answer) + 45;
        api->SubscribeMarketData(ids.data(), static_cast<int>(ids.size()));
    }
    void OnRtnDepthMarketData(void *) override { ++ticks; }
};

#ifdef OPENED
template <class F> static F found(void *library, const char *name) {
    return reinterpret_cast<F>(dlsym(library, name));
}
#endif

int main(int count, char **words) {
    int wanted = std::atoi(words[2]);
    ids.assign(words + 3, words + count);
    if (std::getenv("EARLY_END")) return 5;
#ifdef OPENED
    int flags = RTLD_NOW | RTLD_LOCAL | (std::getenv("DEEP") ? RTLD_DEEPBIND : 0);
    void *library = dlopen(std::getenv("LIBRARY"), flags);
    if (!library) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 6;
    }
    auto create = found<CThostFtdcMdApi *(*)(const char *, bool, bool, bool)>(
        library, "_ZN15CThostFtdcMdApi15CreateFtdcMdApiEPKcbbb");
    auto version = found<const char *(*)()>(library, "_ZN15CThostFtdcMdApi13GetApiVersionEv");
    CThostFtdcMdApi *api = create(words[1], false, false, true);
    std::string told = version();
#else
    CThostFtdcMdApi *api = CThostFtdcMdApi::CreateFtdcMdApi(words[1], false, false, true);
    std::string told = CThostFtdcMdApi::GetApiVersion();
#endif
    Spi spi;
    spi.api = api;
    api->RegisterSpi(&spi);
    const char *front = std::getenv("FRONT");
    std::string address = front ? front : "tcp://127.0.0.1:1";
    api->RegisterFront(const_cast<char *>(address.c_str()));
    api->Init();
    bool waits = std::getenv("WAIT") != nullptr;
    if (waits) {
        std::printf("waiting\n");
        std::fflush(stdout);
    }
    const char *limit = std::getenv("LIMIT");
    int rounds = limit ? std::atoi(limit) * 10 : 4000;
    bool told_all = false;
    for (int i = 0; i < rounds && (waits || ticks < wanted) && !over; i++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        if (waits && ticks >= wanted && !told_all) {
            told_all = true;
            std::printf("all\n");
            std::fflush(stdout);
        }
    }
    std::printf("%s|%s|%s|%d\n", told.c_str(), name.c_str(), api->GetTradingDay(), ticks.load());
    std::fflush(stdout);
    std::_Exit(7);
}
