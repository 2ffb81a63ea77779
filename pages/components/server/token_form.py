"""The page that asks for the token; it needs nothing but itself."""

from __future__ import annotations

from html import escape

from optlab.i18n import _


def page(tried: bool) -> str:
    """HTML. tried: a token was given, and it was another one."""
    wrong = f"<p role='alert'>{escape(_('This is not the token.'))}</p>" if tried else ""
    where = escape(_("The terminal that started the dashboard shows it, and OPTLAB_HOME/token holds it."))
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>OptLab</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 20vh auto; padding: 0 1rem }}
  input, button {{ font: inherit; padding: .5rem .75rem; width: 100%; box-sizing: border-box; margin-top: .5rem }}
</style>
<main>
  <h1>OptLab</h1>
  {wrong}
  <form method="post">
    <label>{escape(_("Token"))}
      <input type="password" name="token" autocomplete="current-password" required autofocus></label>
    <button>{escape(_("Sign in"))}</button>
  </form>
  <p>{where}</p>
</main>
</html>"""
