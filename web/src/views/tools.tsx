import type { App } from "../app";
import { isEmpty } from "../state/document";
import type { Tool } from "../state/settings";
import { Choice, Slider } from "./controls";
import type { IconName } from "./icons";

const TOOLS: readonly { tool: Tool; name: string; icon: IconName; keys: string }[] = [
  { tool: "click", name: "Hover & Click", icon: "click", keys: "H" },
  { tool: "box", name: "Box", icon: "box", keys: "B" },
  { tool: "multi", name: "Multi-mask", icon: "multi", keys: "M" },
  { tool: "everything", name: "Everything", icon: "everything", keys: "E" },
  { tool: "brush", name: "Brush", icon: "brush", keys: "P" },
  { tool: "eraser", name: "Eraser", icon: "eraser", keys: "X" },
];

const HINTS: Record<Tool, string> = {
  click: "Point at something to see its mask; click to take it. Right click takes away.",
  box: "Drag a box around the object, then refine with clicks.",
  multi: "One click gives three masks to choose from.",
  everything: "Find all masks at once, then click the ones to keep.",
  brush: "Paint what the mask misses.",
  eraser: "Wipe off what does not belong.",
};

export function Tools({ app }: { app: App }) {
  const { settings, draft } = app.studio;
  const tool = settings.tool.value;
  const brushing = tool === "brush" || tool === "eraser";
  const clicking = tool === "click" || tool === "box" || tool === "multi";
  return (
    <div class="tools">
      <div class="choices" role="radiogroup" aria-label="Tool">
        {TOOLS.map(({ tool: each, name, icon, keys }) => (
          <Choice
            key={each}
            group="tool"
            name={name}
            icon={icon}
            keys={keys}
            checked={tool === each}
            onChoose={() => {
              settings.tool.value = each;
              app.studio.leave();
            }}
          />
        ))}
      </div>
      {clicking && (
        <div class="choices area" role="radiogroup" aria-label="A click">
          <Choice
            group="area"
            name="Add Area"
            icon="plus"
            keys="A"
            checked={settings.adding.value}
            onChoose={() => {
              settings.adding.value = true;
            }}
          />
          <Choice
            group="area"
            name="Remove Area"
            icon="minus"
            keys="A"
            checked={!settings.adding.value}
            disabled={isEmpty(draft.value)}
            onChoose={() => {
              settings.adding.value = false;
            }}
          />
        </div>
      )}
      {brushing && (
        <Slider
          name="Brush size"
          min={2}
          max={200}
          step={1}
          value={settings.brushPx.value}
          onInput={(value) => {
            settings.brushPx.value = value;
          }}
        />
      )}
      <p class="hint">{HINTS[tool]}</p>
    </div>
  );
}
