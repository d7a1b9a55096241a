import { describe, expect, it } from "vitest";

import { ExpositionError, parse } from "../../src/operator/exposition";

describe("the text of metrics", () => {
  it("is read with labels, escapes and special numbers, without comments and times", () => {
    const text = [
      "# HELP trunkline_sessions Sessions now.",
      "# TYPE trunkline_sessions gauge",
      'trunkline_sessions{assistant="acme",state="ready"} 3.0',
      "trunkline_draining 0.0",
      "",
      'odd{a="say \\"hi\\", then } \\\\ and\\na line",b="",} 1e3 1700000000',
      'bucket{le="+Inf"} +Inf',
      "nothing NaN",
    ].join("\n");
    expect(parse(text)).toEqual([
      { name: "trunkline_sessions", labels: { assistant: "acme", state: "ready" }, value: 3 },
      { name: "trunkline_draining", labels: {}, value: 0 },
      { name: "odd", labels: { a: 'say "hi", then } \\ and\na line', b: "" }, value: 1000 },
      { name: "bucket", labels: { le: "+Inf" }, value: Infinity },
      { name: "nothing", labels: {}, value: NaN },
    ]);
  });

  it.each(["<!doctype html>", "name", "name{a=1} 2", 'name{a="1" 2', "name{} twelve"])(
    "is refused where it is something else: %s",
    (text) => {
      expect(() => parse(text)).toThrow(ExpositionError);
    },
  );

  it("is refused without repeating what is in it", () => {
    expect(() => parse('secret{a="b')).not.toThrow(/"b/);
  });
});
