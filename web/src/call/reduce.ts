import { fieldsOf, newsOf, numberOf, textOf, type Message, type News } from "./messages";
import { isLive, isTalking, moved, Phase, type Doing } from "./phase";
import { NO_CALL, type CallState, type Mode, type Segment } from "./state";
import { added, closed, cutOff, heard, said, typed } from "./timeline";
import { jobTold, toolCalled, toolStopped } from "./work";

/** Everything that can happen to a call. Times are in milliseconds. */
export type Event =
  | { type: "start"; assistant: string; mode: Mode; at: number }
  | { type: "message"; message: Message; at: number }
  | { type: "typed"; text: string; at: number }
  | { type: "over"; reason: string }
  | { type: "leave" };

const MAX_READINGS = 300;
const MAX_LATENCIES = 24;

/** Return the call as it is after something happened to it. */
export function reduce(state: CallState, event: Event): CallState {
  switch (event.type) {
    case "start":
      return started(state, event.assistant, event.mode, event.at);
    case "leave":
      return { ...NO_CALL, phase: moved(state.phase, Phase.Choosing) };
    case "over":
      return over(state, event.reason, null);
    case "typed":
      return isLive(state.phase) ? answering(typed(state, event.text), event.at) : state;
    case "message":
      return isLive(state.phase) ? told(state, event.message, event.at) : state;
  }
}

function started(state: CallState, assistant: string, mode: Mode, at: number): CallState {
  const phase = moved(state.phase, Phase.Connecting);
  return { ...NO_CALL, phase, assistant, mode, startedAt: at };
}

function over(state: CallState, reason: string, code: number | null): CallState {
  if (!isLive(state.phase)) {
    return state;
  }
  const ended = { ...cutOff(state), phase: moved(state.phase, Phase.Ended), userSpeaking: false };
  return { ...ended, ending: { reason, code } };
}

function does(state: CallState, doing: Doing): CallState {
  return {
    ...state,
    doing,
    phase: isTalking(state.phase) ? moved(state.phase, doing) : state.phase,
  };
}

/** The caller's turn is over, and an answer is due. */
function answering(state: CallState, at: number): CallState {
  return { ...does(state, Phase.Thinking), turnEnded: at, userSpeaking: false };
}

function speaking(state: CallState, at: number): CallState {
  const next = does(state, Phase.Speaking);
  if (state.turnEnded === null) {
    return next;
  }
  const latencies = [...state.latencies, at - state.turnEnded].slice(-MAX_LATENCIES);
  return { ...next, latencies, turnEnded: null };
}

function segmentOf(data: unknown): Segment | null {
  const fields = fieldsOf(data);
  const [text, id] = [textOf(fields["text"]), numberOf(fields["segment_id"])];
  if (!text.trim() || id === null) {
    return null;
  }
  const left = textOf(fieldsOf(fields["spoken_progress"])["remaining_text"]);
  const aloud = fields["will_be_spoken"] !== false;
  return {
    id,
    text,
    spoken: aloud ? Math.max(0, text.length - left.length) : text.length,
    cut: false,
  };
}

function told(state: CallState, { type, data }: Message, at: number): CallState {
  switch (type) {
    case "user-started-speaking":
      return { ...does(state, Phase.Listening), userSpeaking: true };
    case "user-stopped-speaking":
      return answering(state, at);
    case "user-transcription":
      return heard(state, textOf(fieldsOf(data)["text"]), fieldsOf(data)["final"] === true);
    case "bot-llm-started":
      return state.doing === Phase.Speaking ? state : does(state, Phase.Thinking);
    case "bot-started-speaking":
      return speaking(state, at);
    case "bot-stopped-speaking":
      return does(closed(state), state.turnEnded === null ? Phase.Listening : Phase.Thinking);
    case "bot-interrupted":
      return cutOff(state);
    case "bot-output": {
      const segment = segmentOf(data);
      return segment === null ? state : said(state, segment);
    }
    case "llm-function-call-in-progress":
      return toolCalled(state, data);
    case "llm-function-call-stopped":
      return toolStopped(state, data);
    case "server-message": {
      const news = newsOf(data);
      return news === null ? state : learned(state, news, at);
    }
    default:
      return state;
  }
}

function learned(state: CallState, news: News, at: number): CallState {
  switch (news.kind) {
    case "line":
      return lined(state, news);
    case "active":
      return activated(state, news.task);
    case "job":
      return jobTold(state, news);
    case "reading": {
      const { temperature, target } = news;
      return {
        ...state,
        readings: [...state.readings, { at, temperature, target }].slice(-MAX_READINGS),
      };
    }
  }
}

function activated(state: CallState, task: string): CallState {
  const from = state.active;
  const next = { ...state, active: task };
  return from === null || from === task
    ? next
    : added(closed(next), { kind: "handoff", from, to: task });
}

function lined(state: CallState, news: Extract<News, { kind: "line" }>): CallState {
  switch (news.state) {
    case "up":
      return { ...state, phase: moved(state.phase, state.doing) };
    case "interrupted":
      return added(
        { ...state, phase: moved(state.phase, Phase.Reconnecting) },
        { kind: "notice", what: "interrupted" },
      );
    case "resumed":
      return added(
        { ...state, phase: moved(state.phase, state.doing) },
        { kind: "notice", what: "resumed" },
      );
    case "gap":
      return added(state, { kind: "notice", what: "gap" });
    case "ended":
      return over(state, news.reason ?? "the conversation ended", news.code);
    default:
      return state;
  }
}
