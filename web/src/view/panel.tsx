import { useCallback } from "preact/hooks";

import type { Controller } from "../app/controller";
import type { Model } from "../app/model";
import { titled } from "../app/words";
import { isLive } from "../call/phase";
import { LatencyChart, TemperatureChart } from "./charts";
import { Embedded } from "./embedded";
import { Meter } from "./meter";
import { statusOf } from "./status";

/** What goes on, beside the conversation. */
export function Panel({ model, does }: { model: Model; does: Controller }) {
  const { call } = model;
  return (
    <aside class="side" aria-label="Details of the call">
      <Now model={model} does={does} />
      {call.readings.length > 0 && (
        <section class="detail">
          <h2>Temperature</h2>
          <TemperatureChart readings={call.readings} />
        </section>
      )}
      <section class="detail">
        <h2>Time to answer</h2>
        <LatencyChart latencies={call.latencies} />
      </section>
      {model.devices.microphones.length > 0 && isLive(call.phase) && (
        <Devices model={model} does={does} />
      )}
      <Embedded services={model.services} />
    </aside>
  );
}

function Now({ model, does }: { model: Model; does: Controller }) {
  const { call } = model;
  const level = useCallback(() => does.media?.spoken.now() ?? 0, [does]);
  const name = titled(call.active ?? call.assistant);
  return (
    <section class={`now ${call.phase}`} aria-label="Now">
      <Meter level={level} bars={31} label="Level of the assistant's voice" />
      <p class="now-who">{name}</p>
      <p class="now-does">{statusOf(call)}</p>
    </section>
  );
}

function Devices({ model, does }: { model: Model; does: Controller }) {
  const { microphones, speakers, microphone, speaker } = model.devices;
  return (
    <section class="detail devices">
      <h2>Devices</h2>
      <Choice
        label="Microphone"
        devices={microphones}
        value={microphone}
        onChoose={(id) => void does.useMicrophone(id)}
      />
      {speakers.length > 0 && (
        <Choice
          label="Loudspeaker"
          devices={speakers}
          value={speaker}
          onChoose={(id) => void does.useSpeaker(id)}
        />
      )}
      {model.trouble !== null && (
        <p class="trouble" role="alert">
          {model.trouble}
        </p>
      )}
    </section>
  );
}

interface ChoiceProps {
  label: string;
  devices: readonly MediaDeviceInfo[];
  value: string;
  onChoose: (id: string) => void;
}

function Choice({ label, devices, value, onChoose }: ChoiceProps) {
  return (
    <label class="choice">
      <span>{label}</span>
      <select
        value={value}
        onChange={({ currentTarget }) => {
          onChoose(currentTarget.value);
        }}
      >
        {devices.map((device, index) => (
          <option key={device.deviceId} value={device.deviceId}>
            {device.label || `${label} ${index + 1}`}
          </option>
        ))}
      </select>
    </label>
  );
}
