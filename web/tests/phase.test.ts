import { expect, test } from "vitest";

import { IllegalMoveError, MOVES, moved, Phase } from "../src/call/phase";
import { Scene } from "./calls";

test("every phase can be reached from the first one", () => {
  const reached = new Set<Phase>([Phase.Choosing]);
  for (const phase of reached) {
    for (const next of MOVES[phase]) {
      reached.add(next);
    }
  }
  expect(reached).toEqual(new Set(Object.values(Phase)));
});

test("a move that is not in the table is refused", () => {
  expect(() => moved(Phase.Ended, Phase.Speaking)).toThrow(IllegalMoveError);
  expect(() => moved(Phase.Choosing, Phase.Listening)).toThrow(IllegalMoveError);
});

test("a call listens, thinks and speaks in turn", () => {
  const scene = new Scene().up();
  expect(scene.state.phase).toBe("listening");
  expect(scene.hears("user-started-speaking").state.userSpeaking).toBe(true);
  expect(scene.hears("user-stopped-speaking").state.phase).toBe("thinking");
  expect(scene.hears("bot-started-speaking").state.phase).toBe("speaking");
  expect(scene.hears("bot-stopped-speaking").state.phase).toBe("listening");
});

test("a call whose line is lost goes back to what it does by then", () => {
  const scene = new Scene().up().hears("bot-started-speaking").line("interrupted");
  expect(scene.state.phase).toBe("reconnecting");
  scene.hears("bot-stopped-speaking");
  expect(scene.state.phase).toBe("reconnecting");
  expect(scene.line("resumed").state.phase).toBe("listening");
});

test("a call that has ended says why, once, and hears nothing more", () => {
  const scene = new Scene().up().line("ended", { reason: "the conversation ended", code: 1000 });
  expect(scene.state.ending).toEqual({ reason: "the conversation ended", code: 1000 });
  scene.happens({ type: "over", reason: "the connection to the server was lost" });
  scene.output(1, "too late");
  expect(scene.state.ending?.reason).toBe("the conversation ended");
  expect(scene.state.entries).toEqual([]);
});

test("a call that was lost while it connected can be begun again", () => {
  const scene = new Scene().start().happens({ type: "over", reason: "lost" });
  expect(scene.start().state.phase).toBe("connecting");
  expect(scene.state.ending).toBeNull();
});

test("after a call, the assistants can be chosen from again", () => {
  const scene = new Scene().up().line("ended").happens({ type: "leave" });
  expect(scene.state.phase).toBe("choosing");
});
