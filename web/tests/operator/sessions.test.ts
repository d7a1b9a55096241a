import { describe, expect, it } from "vitest";

import type { SessionInfo } from "../../src/operator/api";
import { dropsOf, OLDEST_FIRST, pressed, sorted } from "../../src/operator/order";
import { SessionRates } from "../../src/operator/rates";

function session(id: string, changes: Partial<SessionInfo> = {}): SessionInfo {
  return {
    id,
    state: "ready",
    assistant: "acme",
    principal: "kiosk",
    active_tasks: ["assistant"],
    answering: false,
    age_s: 10,
    idle_s: 0,
    resumes: 0,
    lost_with: null,
    ending_with: null,
    received: { messages: 0, size_bytes: 0, drops: {} },
    sent: { messages: 0, size_bytes: 0, drops: {} },
    ...changes,
  };
}

const crossed = (messages: number, size_bytes: number) => ({ messages, size_bytes, drops: {} });

describe("rates", () => {
  it("are not known after one poll, and then are what came in the last while", () => {
    const rates = new SessionRates();
    const first = rates.look(0, [session("a", { sent: crossed(10, 1000) })]);
    expect(first.get("a")).toEqual({ received: null, sent: null });
    const second = rates.look(2000, [session("a", { sent: crossed(14, 3000) })]);
    expect(second.get("a")?.sent).toEqual({ messages: 2, bytes: 1000 });
    expect(second.get("a")?.received).toEqual({ messages: 0, bytes: 0 });
    for (let at = 4000; at <= 20_000; at += 2000) {
      rates.look(at, [session("a", { sent: crossed(14, 3000) })]);
    }
    const quiet = rates.look(22_000, [session("a", { sent: crossed(14, 3000) })]);
    expect(quiet.get("a")?.sent).toEqual({ messages: 0, bytes: 0 });
  });

  it("are those of each session, and forgotten with it", () => {
    const rates = new SessionRates();
    rates.look(0, [session("a", { received: crossed(5, 50) }), session("b")]);
    rates.look(1000, [session("b", { received: crossed(3, 300) })]);
    const again = rates.look(2000, [
      session("a", { received: crossed(500, 5000) }),
      session("b", { received: crossed(4, 400) }),
    ]);
    expect(again.get("a")?.received).toBeNull();
    expect(again.get("b")?.received).toEqual({ messages: 2, bytes: 200 });
  });
});

describe("the order of sessions", () => {
  const rates = { received: null, sent: null };
  const rows = [
    { info: session("b", { age_s: 5, principal: "zoe" }), rates },
    { info: session("a", { age_s: 9, principal: "ada" }), rates },
    { info: session("c", { age_s: 9, principal: "kim" }), rates },
  ];
  const ids = (order: Parameters<typeof sorted>[1]) =>
    sorted(rows, order)
      .map(({ info }) => info.id)
      .join("");

  it("is the server's at first, and keeps it where two are alike", () => {
    expect(ids(OLDEST_FIRST)).toBe("acb");
  });

  it("begins with A for words and with the largest for numbers, and turns around", () => {
    const byName = pressed(OLDEST_FIRST, "principal");
    expect(ids(byName)).toBe("acb");
    expect(byName.descending).toBe(false);
    expect(ids(pressed(byName, "principal"))).toBe("bca");
    expect(pressed(byName, "drops").descending).toBe(true);
  });

  it("leaves the rows that it is given as they are", () => {
    sorted(rows, { column: "id", descending: false });
    expect(rows[0]?.info.id).toBe("b");
  });
});

describe("drops", () => {
  it("are what was lost or refused, in both directions", () => {
    const received = { messages: 1, size_bytes: 1, drops: { home: 50, type: 2 } };
    const sent = { messages: 1, size_bytes: 1, drops: { local: 9, slow: 3 } };
    expect(dropsOf(session("a", { received, sent }))).toBe(5);
  });
});
