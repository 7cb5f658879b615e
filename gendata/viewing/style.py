"""How the viewer looks: the report page's colours, orange for synthetic and blue for real, on Gradio's own surfaces."""

from __future__ import annotations

FONT = ("Inter", "ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")

CSS = """
.gradio-container { --synthetic: #b8470b; --real: #2c5aa0; max-width: 1112px !important; margin: 0 auto !important; }
.dark .gradio-container, .gradio-container.dark { --synthetic: #f39a5c; --real: #85b1f2; }
.gd-header h1 { font-size: 32px; line-height: 1.15; letter-spacing: -.02em; font-weight: 680; margin: 8px 0 6px;
  overflow-wrap: anywhere; }
.gd-header p { color: var(--body-text-color-subdued); max-width: 46em; margin: 0; line-height: 1.5; text-wrap: pretty; }
.gd-header dl { display: flex; flex-wrap: wrap; gap: 12px 36px; margin: 18px 0 4px; padding: 14px 0;
  border-block: 1px solid var(--border-color-primary); }
.gd-header dt { color: var(--body-text-color-subdued); font-size: 13px; }
.gd-header dd { margin: 0; font-size: 16px; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.gd-again { align-self: end; }
.gd-row { display: grid; grid-template-columns: minmax(72px, 9em) minmax(0, 1fr); gap: 4px 24px; align-items: center;
  padding: 3px 0; }
.gd-with-real .gd-row { grid-template-columns: minmax(72px, 9em) minmax(0, 1fr) minmax(0, 1fr); }
.gd-name { font-size: 14px; font-weight: 500; overflow-wrap: anywhere; }
.gd-head { font-size: 13px; font-weight: 600; padding-top: 6px; }
.gd-synthetic-word { color: var(--synthetic); }
.gd-real-word { color: var(--real); }
.gd-strip { display: grid; grid-template-columns: repeat(10, minmax(0, 1fr)); gap: 4px; }
.gd-strip img, .gd-film img { width: 100%; height: auto; display: block; border-radius: 2px; margin: 0; }
.gd-sharp img { image-rendering: pixelated; }
.gd-one .gd-row { align-items: start; }
.gd-walk { display: grid; justify-items: center; gap: 10px; margin: 4px 0; }
.gd-big { width: min(280px, 72vw); height: auto; border-radius: 6px; margin: 0; }
.gd-walk figcaption { font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; text-align: center; }
.gd-film { display: grid; grid-template-columns: repeat(17, minmax(0, 1fr)); gap: 4px; width: 100%; }
.gd-film .gd-here { outline: 3px solid var(--synthetic); outline-offset: 0; }
.gd-note { color: var(--body-text-color-subdued); font-size: 14px; line-height: 1.5; max-width: 60em; margin: 10px 0;
  padding: 0; list-style: none; }
.gd-note b { color: var(--body-text-color); font-weight: 600; }
.gd-note li { padding: 2px 0; }
.gd-scroll { overflow-x: auto; scrollbar-width: thin; border: 1px solid var(--border-color-primary); border-radius: 10px;
  background: var(--background-fill-primary); }
.gd-table { border-collapse: collapse; width: 100%; margin: 0; font-size: 14px; font-variant-numeric: tabular-nums; }
.gd-table th, .gd-table td { padding: 9px 12px; text-align: left; white-space: nowrap; border: 0; }
.gd-table thead th { color: var(--body-text-color-subdued); font-weight: 500; font-size: 13px; }
.gd-table tbody tr > * { border-top: 1px solid var(--border-color-primary); }
.gd-table tbody th { font-weight: 600; }
.gd-table .gd-number, .gd-bars .gd-number { text-align: right; font-variant-numeric: tabular-nums; }
.gd-bar { --colour: var(--real); background: linear-gradient(to right,
  color-mix(in srgb, var(--colour) 22%, transparent) calc(var(--share) * 100%), transparent 0); }
.gd-bar.gd-synthetic { --colour: var(--synthetic); }
.gd-bars { display: grid; gap: 6px; margin: 8px 0 22px; font-size: 14px; }
.gd-bars > div { display: grid; grid-template-columns: 15em minmax(0, 1fr) 9em; gap: 14px; align-items: center; }
.gd-line { height: 14px; border-radius: 3px; background: var(--real); min-width: 2px;
  width: calc(var(--share) * 100%); }
.gd-line.gd-own { background: var(--synthetic); }
.gd-facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 8px 28px; font-size: 14px; margin: 0; }
.gd-facts dt { color: var(--body-text-color-subdued); }
.gd-facts dd { margin: 0; overflow-wrap: anywhere; }
.gd-manifest { margin-top: 18px; font-size: 14px; }
.gd-manifest summary { cursor: pointer; padding: 6px 0; }
.gd-manifest pre { padding: 14px 16px; overflow: auto; max-height: 60vh; font-size: 13px; white-space: pre-wrap;
  overflow-wrap: anywhere; border: 1px solid var(--border-color-primary); border-radius: 10px; }
.gd-scroll:focus-visible, .gd-manifest pre:focus-visible, .gd-manifest summary:focus-visible {
  outline: 2px solid var(--real); outline-offset: 2px; }
@media (max-width: 760px) {
  .gradio-container { padding: 8px !important; }
  .gd-header h1 { font-size: 26px; }
  .gd-header dl { gap: 10px 24px; }
  .gd-row, .gd-with-real .gd-row { grid-template-columns: minmax(0, 1fr); padding: 7px 0; }
  .gd-head { display: flex; gap: 16px; }
  .gd-with-real .gd-strip { padding-left: 9px; border-left: 3px solid var(--synthetic); }
  .gd-with-real .gd-strip.gd-real { border-color: var(--real); }
  .gd-film { gap: 2px; }
  .gd-film .gd-here { outline-width: 2px; }
  .gd-bars > div { grid-template-columns: 1fr auto; gap: 2px 10px; }
  .gd-line { grid-column: 1 / -1; grid-row: 2; }
  .gd-facts { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .gd-facts dd { margin-bottom: 10px; }
}
"""
