import { useEffect, useRef } from "preact/hooks";

import { titled } from "../app/words";
import type { CallState, Entry, Handoff, Notice, Said, Segment, Tool } from "../call/state";
import { Icon } from "./icons";
import { WorkBoard } from "./work";

const NOTICES: Readonly<Record<Notice["what"], string>> = {
  interrupted: "The line to the assistant was lost. It is being made again.",
  resumed: "The line is back, and nothing was missed.",
  gap: "The line was away for so long that something was missed.",
};

/** The conversation so far; stays at its end unless somebody reads further up. */
export function Timeline({ call }: { call: CallState }) {
  const element = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const follow = () => {
    const box = element.current;
    if (box !== null && follows.current) {
      box.scrollTop = box.scrollHeight;
    }
  };
  useEffect(follow);
  useEffect(() => {
    // A phone's keyboard takes room.
    const observer = new ResizeObserver(follow);
    if (element.current !== null) {
      observer.observe(element.current);
    }
    return () => {
      observer.disconnect();
    };
  }, []);
  return (
    <div
      class="timeline"
      ref={element}
      tabIndex={0}
      role="region"
      aria-label="Conversation"
      onScroll={({ currentTarget: box }) => {
        follows.current = box.scrollHeight - box.scrollTop - box.clientHeight < 48;
      }}
    >
      <ol>
        {call.entries.map((entry) => (
          <li key={entry.id} class={`entry ${entry.kind}`}>
            <Shown entry={entry} />
          </li>
        ))}
      </ol>
    </div>
  );
}

function Shown({ entry }: { entry: Entry }) {
  switch (entry.kind) {
    case "heard":
      return (
        <>
          <p class="who">{entry.typed ? "You, in writing" : "You"}</p>
          <p class={entry.partial ? "words partial" : "words"}>{entry.text}</p>
        </>
      );
    case "said":
      return <Utterance said={entry} />;
    case "tool":
      return <ToolCall tool={entry} />;
    case "work":
      return <WorkBoard work={entry} />;
    case "handoff":
      return <HandedOver handoff={entry} />;
    case "notice":
      return (
        <p class={`rule ${entry.what}`}>
          <span>
            <Icon name="line" />
            {NOTICES[entry.what]}
          </span>
        </p>
      );
  }
}

function Utterance({ said }: { said: Said }) {
  return (
    <>
      <p class="who">{said.task === null ? "Assistant" : titled(said.task)}</p>
      <p class="words">
        {said.segments.map((segment, index) => (
          <Spoken key={segment.id} segment={segment} first={index === 0} />
        ))}
        {said.segments.some(({ cut }) => cut) && <span class="cut-note">interrupted</span>}
      </p>
    </>
  );
}

/** What was spoken, and what is still to come or never will. */
function Spoken({ segment, first }: { segment: Segment; first: boolean }) {
  const gap = first || /^\s/.test(segment.text) ? "" : " ";
  const rest = segment.text.slice(segment.spoken);
  return (
    <>
      {gap}
      {segment.text.slice(0, segment.spoken)}
      {rest && <span class={segment.cut ? "never" : "coming"}>{rest}</span>}
    </>
  );
}

function ToolCall({ tool }: { tool: Tool }) {
  const states = { running: "running", done: "done", cancelled: "given up" };
  return (
    <p class={`chip ${tool.state}`}>
      <Icon name="tool" />
      <span class="unseen">Tool </span>
      <code>{tool.name}</code>
      {tool.asked.map(([name, value]) => (
        <span class="asked" key={name}>
          {name}: {value}
        </span>
      ))}
      <span class="outcome">{states[tool.state]}</span>
    </p>
  );
}

function HandedOver({ handoff }: { handoff: Handoff }) {
  return (
    <p class="rule">
      <span>
        {titled(handoff.from)}
        <Icon name="arrow" />
        <span class="unseen">hands over to </span>
        {titled(handoff.to)}
      </span>
    </p>
  );
}
