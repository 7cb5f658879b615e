"""How the viewer looks: the report page's colours, orange for synthetic and blue for real, on Gradio's own surfaces."""

from __future__ import annotations

FONT = ("Inter", "ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")

THEME = {  # of Gradio's own parts; white on its own orange is hard to read
    "color_accent": "#b8470b",
    "slider_color": "#b8470b",
    "button_primary_background_fill": "#b8470b",
    "button_primary_background_fill_hover": "#9a3a07",
    "button_primary_background_fill_dark": "#b8470b",
    "button_primary_background_fill_hover_dark": "#9a3a07",
    "button_primary_text_color": "#ffffff",
    "checkbox_background_color_selected": "#b8470b",
    "checkbox_background_color_selected_dark": "#b8470b",
}

CSS = """
.gradio-container { --synthetic: #b8470b; --real: #2c5aa0; --gd-muted: #57616c; --gd-rule: var(--border-color-primary);
  width: 100% !important; max-width: 1112px !important; margin: 0 auto !important; }
.dark .gradio-container, .gradio-container.dark { --synthetic: #f39a5c; --real: #85b1f2; --gd-muted: #a4adb8; }
.dark .gradio-container button[role=tab].selected { color: var(--synthetic); }
.gradio-container main, .gradio-container main > .wrap, .gradio-container .contain, .gradio-container .tabitem {
  width: 100% !important; max-width: 100% !important; min-width: 0 !important; }
.gradio-container .html-container { min-width: 0; }
.gd-controls .wrap:has(> label > input[type=radio]) { flex-wrap: nowrap; }
.gd-header h1 { font-size: 32px; line-height: 1.15; letter-spacing: -.02em; font-weight: 680; margin: 8px 0 6px;
  overflow-wrap: anywhere; }
.gd-header p { color: var(--gd-muted); max-width: 46em; margin: 0; line-height: 1.5; text-wrap: pretty; }
.gd-header dl { display: flex; flex-wrap: wrap; gap: 12px 36px; margin: 18px 0 4px; padding: 14px 0;
  border-block: 1px solid var(--gd-rule); }
.gd-header dt { color: var(--gd-muted); font-size: 13px; }
.gd-header dd { margin: 0; font-size: 16px; font-weight: 600; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }
.gd-again { align-self: end; }
.gd-sheet { display: grid; grid-template-columns: fit-content(9em) minmax(0, 1fr); gap: 6px 24px; align-items: center; }
.gd-sheet.gd-with-real { grid-template-columns: fit-content(9em) minmax(0, 1fr) minmax(0, 1fr); }
.gd-row { display: contents; }
.gd-name { font-size: 14px; font-weight: 500; overflow-wrap: anywhere; }
.gd-head { font-size: 13px; font-weight: 600; }
.gd-synthetic-word { color: var(--synthetic); }
.gd-real-word { color: var(--real); }
.gd-strip { display: grid; grid-template-columns: repeat(var(--columns, 10), minmax(0, 1fr)); gap: 4px;
  max-width: calc(var(--columns, 10) * 104px); }
.gd-strip img, .gd-film img { width: 100%; height: auto; display: block; border-radius: 2px; margin: 0; }
.gd-sharp img { image-rendering: pixelated; }
.gd-one { align-items: start; }
.gd-one:not(.gd-with-real) .gd-strip { grid-template-columns: repeat(15, minmax(0, 1fr)); }
.gd-walk { display: grid; justify-items: center; gap: 10px; margin: 4px 0; }
.gd-big { width: min(280px, 72vw); height: auto; border-radius: 6px; margin: 0; }
.gd-walk figcaption { font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
  text-align: center; }
.gd-film { display: grid; grid-template-columns: repeat(17, minmax(0, 1fr)); gap: 4px; width: 100%; }
.gd-film .gd-here { outline: 3px solid var(--synthetic); outline-offset: 0; }
.gd-note { color: var(--gd-muted); font-size: 14px; line-height: 1.5; max-width: 60em; margin: 10px 0;
  padding: 0; list-style: none; }
.gd-note b { color: var(--body-text-color); font-weight: 600; }
.gd-note li { color: var(--gd-muted); padding: 2px 0; margin: 0; }
.gd-scroll { overflow-x: auto; scrollbar-width: thin;
  border: 1px solid var(--gd-rule); border-radius: 10px;
  background: var(--background-fill-primary); }
.gd-table { border-collapse: collapse; width: 100%; margin: 0; font-size: 14px; font-variant-numeric: tabular-nums; }
.gd-table, .gd-table thead, .gd-table tr { border: 0 !important; }
.gd-table th, .gd-table td { padding: 9px 12px; text-align: left; white-space: nowrap; border: 0; }
.gd-table thead th { color: var(--gd-muted); font-weight: 500; font-size: 13px; }
.gd-table tbody tr > * { border-top: 1px solid var(--gd-rule); }
.gd-table tbody th { font-weight: 600; }
.gd-table .gd-number, .gd-bars .gd-number { text-align: right; font-variant-numeric: tabular-nums; }
.gd-bar { --colour: var(--real); background: linear-gradient(to right,
  color-mix(in srgb, var(--colour) 22%, transparent) calc(var(--share) * 100%), transparent 0); }
.gd-bar.gd-synthetic { --colour: var(--synthetic); }
.gd-bars { display: grid; gap: 6px; margin: 8px 0 22px; font-size: 14px; }
.gd-bars > div { display: grid; grid-template-columns: 15em minmax(0, 1fr) 9em; gap: 14px; align-items: center; }
.gd-line { height: 14px; border-radius: 3px; background: var(--gd-muted); min-width: 2px;
  width: calc(var(--share) * 100%); }
.gd-line.gd-synthetic { background: var(--synthetic); }
.gd-line.gd-real { background: var(--real); }
.gd-facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 8px 28px; font-size: 14px;
  margin: 0; }
.gd-facts dt { color: var(--gd-muted); }
.gd-facts dd { margin: 0; overflow-wrap: anywhere; }
.gd-manifest { margin-top: 18px; font-size: 14px; }
.gd-manifest summary { cursor: pointer; padding: 6px 0; }
.gd-manifest pre { padding: 14px 16px; overflow: auto; max-height: 60vh; font-size: 13px; white-space: pre-wrap;
  overflow-wrap: anywhere; border: 1px solid var(--gd-rule); border-radius: 10px; }
.gd-scroll:focus-visible, .gd-manifest pre:focus-visible, .gd-manifest summary:focus-visible {
  outline: 2px solid var(--real); outline-offset: 2px; }
@media (max-width: 760px) {
  .gradio-container { padding: 8px !important; }
  .gd-header h1 { font-size: 26px; }
  .gd-header dl { gap: 10px 24px; }
  .gd-sheet, .gd-sheet.gd-with-real { grid-template-columns: minmax(0, 1fr); }
  .gd-row { display: grid; gap: 4px; }
  .gd-head { display: flex; gap: 16px; }
  .gd-head > :first-child { display: none; }
  .gd-one:not(.gd-with-real) .gd-strip { grid-template-columns: repeat(10, minmax(0, 1fr)); }
  .gd-with-real .gd-strip { padding-left: 9px; border-left: 3px solid var(--synthetic); }
  .gd-with-real .gd-strip.gd-real { border-color: var(--real); }
  .gd-table tbody th { white-space: normal; min-width: 132px; }
  .gd-film { gap: 2px; }
  .gd-film .gd-here { outline-width: 2px; }
  .gd-bars > div { grid-template-columns: 1fr auto; gap: 2px 10px; }
  .gd-line { grid-column: 1 / -1; grid-row: 2; }
  .gd-facts { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .gd-facts dd { margin-bottom: 10px; }
}
"""
