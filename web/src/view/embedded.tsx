import type { Services } from "../link/server";

const ROLES: Readonly<Record<string, string>> = {
  stt: "speech recognition",
  llm: "the language model",
  tts: "the voice",
};

function listed(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${last}` : last;
}

/** Say so where nobody is paid to be good at it. */
export function Embedded({ services }: { services: Services | null }) {
  const embedded = services?.embedded ?? [];
  if (embedded.length === 0) {
    return null;
  }
  const script = embedded.includes("llm") ? " A script writes the answers." : "";
  return (
    <p class="embedded">
      <strong>Embedded services.</strong> On this server,{" "}
      {listed(embedded.map((role) => ROLES[role] ?? role))} run without a vendor: good for trying
      things out, not for callers.{script}
    </p>
  );
}
