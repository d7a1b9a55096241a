import { describe, expect, it } from "vitest";

import type { SessionInfo } from "../../src/operator/api";
import { confirmation } from "../../src/operator/questions";
import { bytes, counted, duration, latency, rate, refusal, span } from "../../src/operator/words";

describe("numbers", () => {
  it.each([
    [0, "0 s"],
    [59.9, "59 s"],
    [187, "3:07"],
    [3723, "1:02:03"],
    [183_840, "2 d 03:04"],
  ])("%d seconds are %s", (seconds, words) => {
    expect(duration(seconds)).toBe(words);
  });

  it.each([
    [0, "0 B"],
    [999.4, "999 B"],
    [999.6, "1.0 kB"],
    [999_960, "1.0 MB"],
    [12_345, "12.3 kB"],
  ])("%d bytes are %s", (count, words) => {
    expect(bytes(count)).toBe(words);
  });

  it.each([
    [0, "0"],
    [0.01, "< 0.1"],
    [99.94, "99.9"],
    [1204, "1,204"],
  ])("%d in a second is %s", (perSecond, words) => {
    expect(rate(perSecond)).toBe(words);
  });

  it.each([
    [0.0004, "0.4 ms"],
    [0.0123, "12 ms"],
    [0.9999, "1.00 s"],
  ])("a latency of %d is %s", (seconds, words) => {
    expect(latency(seconds)).toBe(words);
  });

  it("of things and times are counted in words", () => {
    expect(counted(1, "session")).toBe("1 session");
    expect(counted(1200, "session")).toBe("1,200 sessions");
    expect(span(1)).toBe("1 second");
    expect(span(720)).toBe("12 minutes");
    expect(span(3600)).toBe("1 hour");
  });
});

describe("a refusal", () => {
  const problem = {
    status: 403,
    code: "not_admin",
    detail: "this takes rights",
    retryAfterS: null,
  };

  it("is said in words, with its code", () => {
    expect(refusal(problem)).toContain("no right to administer");
    expect(refusal(problem)).toContain("(403 not_admin)");
  });

  it("that has no words here keeps the server's, and says when to ask again", () => {
    const words = refusal({ status: 503, code: "odd", detail: "come later", retryAfterS: 30 });
    expect(words).toBe("Come later. (503 odd) Asking again may help in 30 seconds.");
  });
});

describe("a confirmation", () => {
  const info = {
    version: "1",
    administrator: "admin-1",
    max_waiting_callers: 0,
    drain_timeout_s: 8,
  };

  it("says whose call ends, and whether an answer is cut short", () => {
    const session = { id: "0123456789abcdef", principal: "kiosk", assistant: "acme" };
    const ask = (answering: boolean) =>
      confirmation(
        { kind: "end", session: { ...session, answering } as SessionInfo },
        info,
        5,
      ).consequences.join(" ");
    expect(ask(false)).toContain("The call of kiosk with acme ends");
    expect(ask(false)).not.toContain("cut short");
    expect(ask(true)).toContain("cut short");
  });

  it("says how many sessions of a principal end", () => {
    const asked = confirmation({ kind: "end-all", principal: "kiosk", count: 1 }, info, 5);
    expect(asked.consequences[0]).toMatch(/^1 session ends/);
    expect(asked.action).toBe("End 1 session");
    const unknown = confirmation({ kind: "end-all", principal: "kiosk", count: null }, info, 5);
    expect(unknown.action).toBe("End all");
  });

  it("says how long a drain takes, and that it cannot be taken back", () => {
    const words = confirmation({ kind: "drain" }, info, 3).consequences.join(" ");
    expect(words).toContain("3 sessions end");
    expect(words).toContain("within 8 s");
    expect(words).toContain("cannot be taken back");
    expect(confirmation({ kind: "drain" }, null, 0).consequences[1]).toBe("There are no sessions.");
  });
});
