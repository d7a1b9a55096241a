import { expect, test } from "vitest";

import { titled, troubleOf } from "../src/app/words";
import { RefusedError } from "../src/link/server";

test("names are written for people", () => {
  expect(titled("handoff-voices")).toBe("Handoff voices");
  expect(titled("acme")).toBe("Acme");
  expect(titled("")).toBe("");
});

test("a microphone that is not allowed has words of its own", () => {
  expect(troubleOf(new DOMException("", "NotAllowedError"))).toContain("not allowed");
  expect(troubleOf(new DOMException("", "NotFoundError"))).toContain("no microphone");
});

test("what the server refuses with is shown", () => {
  const refused = new RefusedError(503, "every call of the process is taken");
  expect(troubleOf(refused)).toBe("The server refused: every call of the process is taken.");
});

test("an answer without words has its status", () => {
  expect(new RefusedError(502, "").message).toContain("502");
});
