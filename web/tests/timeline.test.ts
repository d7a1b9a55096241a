import { expect, test } from "vitest";

import type { Said } from "../src/call/state";
import { MAX_ENTRIES } from "../src/call/timeline";
import { Scene } from "./calls";

const words = (scene: Scene) =>
  scene.state.entries.map((entry) => {
    switch (entry.kind) {
      case "heard":
        return `you: ${entry.text}`;
      case "said":
        return `${entry.task ?? "assistant"}: ${entry.segments.map(({ text }) => text).join(" ")}`;
      default:
        return entry.kind;
    }
  });

test("what is recognised grows in one place until it is final", () => {
  const scene = new Scene().up().hears("user-transcription", { text: "how", final: false });
  scene.hears("user-transcription", { text: "how much are", final: false });
  expect(words(scene)).toEqual(["you: how much are"]);
  scene.hears("user-transcription", { text: "how much are the boots", final: true });
  scene.hears("user-transcription", { text: "and", final: false });
  expect(words(scene)).toEqual(["you: how much are the boots", "you: and"]);
});

test("what turns out to be nothing leaves no trace", () => {
  const scene = new Scene().up().hears("user-transcription", { text: "uh", final: false });
  expect(words(scene.hears("user-transcription", { text: "", final: true }))).toEqual([]);
});

test("sentences of one answer stand together, and each is spoken by and by", () => {
  const scene = new Scene().up().output(7, "Hello there.", "there.").output(7, "Hello there.");
  scene.output(8, "How are you?", "How are you?");
  expect(words(scene)).toEqual(["assistant: Hello there. How are you?"]);
  const said = scene.state.entries[0] as Said;
  expect(said.segments.map(({ spoken }) => spoken)).toEqual([12, 0]);
});

test("an answer that is interrupted says what was not spoken", () => {
  const scene = new Scene().up().output(1, "A long answer.", "answer.").hears("bot-interrupted");
  const said = scene.state.entries[0] as Said;
  expect(said.segments[0]).toMatchObject({ spoken: 7, cut: true });
  expect(said.open).toBe(false);
  scene.output(2, "Yes?");
  expect(words(scene)).toEqual(["assistant: A long answer.", "assistant: Yes?"]);
});

test("whoever types cuts off the assistant", () => {
  const scene = new Scene().up().output(1, "A long answer.", "A long answer.").type("stop");
  expect((scene.state.entries[0] as Said).segments[0]).toMatchObject({ spoken: 0, cut: true });
});

test("whoever takes over speaks under a name of its own", () => {
  const scene = new Scene().up().news({ trunkline: "active", task: "greeter" });
  scene.output(1, "I will connect you.").news({ trunkline: "active", task: "greeter" });
  scene.news({ trunkline: "active", task: "support" }).output(2, "Support here.");
  expect(words(scene)).toEqual([
    "greeter: I will connect you.",
    "handoff",
    "support: Support here.",
  ]);
});

test("what is typed is shown at once, and an answer is due", () => {
  const scene = new Scene().up().type("hello");
  expect(words(scene)).toEqual(["you: hello"]);
  expect(scene.state.phase).toBe("thinking");
});

test("a conversation without an end keeps its end", () => {
  const scene = new Scene().up();
  for (let index = 0; index < MAX_ENTRIES + 20; index += 1) {
    scene.type(`${index}`);
  }
  expect(scene.state.entries).toHaveLength(MAX_ENTRIES);
  expect(words(scene).at(-1)).toBe(`you: ${MAX_ENTRIES + 19}`);
});

test("messages that make no sense change nothing", () => {
  const scene = new Scene().up();
  const before = scene.state;
  for (const data of [null, 7, "text", [], {}, { text: 7, segment_id: "x" }]) {
    for (const type of ["bot-output", "server-message", "user-transcription", "unheard-of"]) {
      scene.hears(type, data);
    }
  }
  expect(scene.state).toEqual(before);
});

test("an answer goes on in its place after the line was away", () => {
  const scene = new Scene().up().output(1, "First.").line("interrupted").line("resumed");
  expect(words(scene.output(2, "Second."))).toEqual([
    "assistant: First. Second.",
    "notice",
    "notice",
  ]);
});
