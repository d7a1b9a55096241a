import { describe, expect, it } from "vitest";

import { hourOf, MINUTES, verdictOn } from "../../src/operator/endings";

describe("the last hour", () => {
  it("is a bin a minute, the one under way last, and the reasons by how often", () => {
    const hour = hourOf({
      covers_s: 3600,
      silent_processes: 0,
      minutes: [
        { minutes_ago: 59, reasons: { ended: 1 } },
        { minutes_ago: 2, reasons: { internal_error: 1, abnormal: 2 } },
        { minutes_ago: 0, reasons: { ended: 3, abnormal: 1 } },
      ],
    });
    expect(hour.bins).toHaveLength(MINUTES);
    expect(hour.bins[0]).toEqual({ meant: 1, line: 0, fault: 0 });
    expect(hour.bins[57]).toEqual({ meant: 0, line: 2, fault: 1 });
    expect(hour.bins[59]).toEqual({ meant: 3, line: 1, fault: 0 });
    expect(hour.total).toBe(8);
    expect(hour.reasons).toEqual([
      { name: "ended", verdict: "meant", count: 4 },
      { name: "abnormal", verdict: "line", count: 3 },
      { name: "internal_error", verdict: "fault", count: 1 },
    ]);
  });

  it("leaves out what is not in it", () => {
    const minutes = [{ minutes_ago: 60, reasons: { ended: 1 } }];
    expect(hourOf({ covers_s: 1, silent_processes: 0, minutes }).total).toBe(0);
  });

  it("takes a reason that it does not know for a fault", () => {
    expect(verdictOn("other")).toBe("fault");
    expect(verdictOn("time_is_up")).toBe("meant");
  });
});
