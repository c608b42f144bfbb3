// A client as a trading team writes it: subclasses of the vendor's callback classes, the vendor's
// headers, the library linked in. It writes each callback to a file, one line a fact:
//
//   client FLOW OUT COUNT ID...
//
// The market data session subscribes to the ids one at a time and ends after COUNT ticks; the trader
// session then goes through login, contracts, account and an order that must be refused.

#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "ThostFtdcMdApi.h"
#include "ThostFtdcTraderApi.h"

static std::mutex gate;
static std::condition_variable changed;
static FILE *out;

static void line(const char *what, const char *text, int number, bool last) {
    std::fprintf(out, "%s %s %d %d\n", what, text, number, last ? 1 : 0);
}

static int error_of(CThostFtdcRspInfoField *info) { return info ? info->ErrorID : 0; }

class Md : public CThostFtdcMdSpi {
  public:
    Md(CThostFtdcMdApi *api, std::vector<std::string> ids, long wanted)
        : api(api), ids(std::move(ids)), wanted(wanted) {}

    void OnFrontConnected() override {
        line("md-connected", "-", 0, true);
        CThostFtdcReqUserLoginField login;
        std::memset(&login, 0, sizeof login);
        std::strcpy(login.BrokerID, "9999");
        std::strcpy(login.UserID, "user");
        std::strcpy(login.Password, "secret");
        api->ReqUserLogin(&login, 7);
    }

    void OnRspUserLogin(CThostFtdcRspUserLoginField *login, CThostFtdcRspInfoField *info, int request,
                        bool last) override {
        line("md-login", login ? login->TradingDay : "NULL", error_of(info) * 100 + request, last);
        for (auto &id : ids) {
            char *one[] = {const_cast<char *>(id.c_str())};
            api->SubscribeMarketData(one, 1);
        }
    }

    void OnRspSubMarketData(CThostFtdcSpecificInstrumentField *instrument, CThostFtdcRspInfoField *info,
                            int, bool last) override {
        line("md-subscribed", instrument ? instrument->InstrumentID : "NULL", error_of(info), last);
    }

    void OnRtnDepthMarketData(CThostFtdcDepthMarketDataField *tick) override {
        auto bytes = reinterpret_cast<const unsigned char *>(tick);
        std::fprintf(out, "tick ");
        for (size_t at = 0; at < sizeof *tick; ++at) std::fprintf(out, "%02x", bytes[at]);
        std::fprintf(out, "\n");
        std::lock_guard<std::mutex> lock(gate);
        ++ticks;
        changed.notify_all();
    }

    bool wait() {
        std::unique_lock<std::mutex> lock(gate);
        return changed.wait_for(lock, std::chrono::seconds(60), [&] { return ticks >= wanted; });
    }

  private:
    CThostFtdcMdApi *api;
    std::vector<std::string> ids;
    long wanted;
    long ticks = 0;
};

class Td : public CThostFtdcTraderSpi {
  public:
    explicit Td(CThostFtdcTraderApi *api) : api(api) {}

    void OnFrontConnected() override {
        line("td-connected", "-", 0, true);
        CThostFtdcReqAuthenticateField request;
        std::memset(&request, 0, sizeof request);
        std::strcpy(request.BrokerID, "9999");
        std::strcpy(request.UserID, "user");
        std::strcpy(request.AppID, "app");
        std::strcpy(request.AuthCode, "code");
        api->ReqAuthenticate(&request, 1);
    }

    void OnRspAuthenticate(CThostFtdcRspAuthenticateField *answer, CThostFtdcRspInfoField *info, int,
                           bool last) override {
        line("td-authenticated", answer ? answer->AppID : "NULL", error_of(info), last);
        CThostFtdcReqUserLoginField login;
        std::memset(&login, 0, sizeof login);
        std::strcpy(login.BrokerID, "9999");
        std::strcpy(login.UserID, "user");
        std::strcpy(login.Password, "secret");
        api->ReqUserLogin(&login, 2);
    }

    void OnRspUserLogin(CThostFtdcRspUserLoginField *login, CThostFtdcRspInfoField *info, int,
                        bool last) override {
        line("td-login", login ? login->TradingDay : "NULL", error_of(info), last);
        CThostFtdcSettlementInfoConfirmField confirm;
        std::memset(&confirm, 0, sizeof confirm);
        std::strcpy(confirm.BrokerID, "9999");
        std::strcpy(confirm.InvestorID, "user");
        api->ReqSettlementInfoConfirm(&confirm, 3);
    }

    void OnRspSettlementInfoConfirm(CThostFtdcSettlementInfoConfirmField *confirm,
                                    CThostFtdcRspInfoField *info, int, bool last) override {
        line("td-confirmed", confirm ? confirm->ConfirmDate : "NULL", error_of(info), last);
        CThostFtdcQryInstrumentField query;
        std::memset(&query, 0, sizeof query);
        api->ReqQryInstrument(&query, 4);
    }

    void OnRspQryInstrument(CThostFtdcInstrumentField *instrument, CThostFtdcRspInfoField *, int,
                            bool last) override {
        std::string text = instrument ? std::string(instrument->InstrumentID) + "." +
                                            instrument->ExchangeID + "." + instrument->ProductClass
                                      : "NULL";
        line("td-instrument", text.c_str(), instrument ? instrument->VolumeMultiple : -1, last);
        if (!last) return;
        ask_too_soon();
    }

    // On a machine that stood still for a second the front has answered: then this is the next try.
    void OnRspQryTradingAccount(CThostFtdcTradingAccountField *, CThostFtdcRspInfoField *, int,
                                bool) override {
        ask_too_soon();
    }

    // A query within the same second as the one before, from inside the answer to that one.
    void ask_too_soon() {
        CThostFtdcQryTradingAccountField query;
        std::memset(&query, 0, sizeof query);
        int code = api->ReqQryTradingAccount(&query, 5);
        if (code == 0) return;
        line("td-second-query", "-", code, true);
        CThostFtdcInputOrderField order;
        std::memset(&order, 0, sizeof order);
        std::strcpy(order.InstrumentID, "rb2601");
        std::strcpy(order.OrderRef, "42");
        order.LimitPrice = 3000;
        api->ReqOrderInsert(&order, 6);
    }

    void OnRspOrderInsert(CThostFtdcInputOrderField *order, CThostFtdcRspInfoField *info, int request,
                          bool last) override {
        line("td-order", order ? order->OrderRef : "NULL", error_of(info) * 100 + request, last);
        std::lock_guard<std::mutex> lock(gate);
        done = true;
        changed.notify_all();
    }

    bool wait() {
        std::unique_lock<std::mutex> lock(gate);
        return changed.wait_for(lock, std::chrono::seconds(60), [&] { return done; });
    }

  private:
    CThostFtdcTraderApi *api;
    bool done = false;
};

int main(int count, char **words) {
    if (count < 5) return 2;
    std::string flow = words[1];
    out = std::fopen(words[2], "w");
    std::vector<std::string> ids(words + 4, words + count);
    line("md-version", CThostFtdcMdApi::GetApiVersion(), 0, true);
    line("td-version", CThostFtdcTraderApi::GetApiVersion(), 0, true);
    char front[] = "tcp://127.0.0.1:1";

    auto md = CThostFtdcMdApi::CreateFtdcMdApi((flow + "/md-").c_str());
    Md md_spi(md, ids, std::stol(words[3]));
    md->RegisterSpi(&md_spi);
    md->RegisterFront(front);
    md->Init();
    bool complete = md_spi.wait();
    line("md-day", md->GetTradingDay(), 0, true);
    md->Release();

    auto td = CThostFtdcTraderApi::CreateFtdcTraderApi((flow + "/td-").c_str());
    Td td_spi(td);
    td->RegisterSpi(&td_spi);
    td->SubscribePrivateTopic(THOST_TERT_QUICK);
    td->SubscribePublicTopic(THOST_TERT_QUICK);
    td->RegisterFront(front);
    td->Init();
    complete = td_spi.wait() && complete;
    CThostFtdcFrontInfoField where;
    td->GetFrontInfo(&where);
    line("td-front", where.FrontAddr, where.QryFreq, true);
    td->Release();
    std::fclose(out);
    return complete ? 0 : 1;
}
