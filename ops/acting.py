"""How an action happens at the workbench: what it would do is shown, a reason is given, one verb is called.

One address for each action, for one thing or a thousand. GET shows the confirmation and changes nothing;
POST, with the CSRF token and a reason, calls the verb. What is posted are the ids that were shown: nothing
is done to what nobody saw counted.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from ops import looks
from ops.actions import Action, Outcome
from ops.listing import as_uuid
from ops.pages import NamedAdmin
from ops.roles import actor_of, may

MOST = 1000  # In one go; what is left matches the same filter again.
LISTED = 25
REASON_LENGTH = (10, 500)
# An account number has no place in a log that is never deleted: nine digits in a row, or an IBAN.
ACCOUNT_NUMBER = re.compile(
    r"\d(?:[ -]?\d){8,}|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,}", re.IGNORECASE
)


class Why(forms.Form):
    """The ids that were shown, and why they are acted on."""

    ids = forms.CharField(widget=forms.HiddenInput, max_length=MOST * 37)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=MOST * 80, required=False)
    reason = forms.CharField(min_length=REASON_LENGTH[0], max_length=REASON_LENGTH[1])

    def clean_ids(self) -> list[UUID]:
        found = [as_uuid(text) for text in self.cleaned_data["ids"].split(",")]
        if None in found or len(set(found)) != len(found) or len(found) > MOST:
            raise forms.ValidationError("Not a list of ids.")
        return [one for one in found if one is not None]

    def clean_seen(self) -> dict[UUID, str]:
        """What the page showed, beside the ids and in their order; absent, nothing is held to it."""
        texts, ids = self.cleaned_data["seen"], self.cleaned_data.get("ids") or []
        told = texts.split(",") if texts else []
        if told and len(told) != len(ids):
            raise forms.ValidationError("Not what the page said.")
        return {one: text for one, text in zip(ids, told, strict=False) if text}

    def clean_reason(self) -> str:
        reason = " ".join(self.cleaned_data["reason"].split())
        if len(reason) < REASON_LENGTH[0]:
            raise forms.ValidationError(f"At least {REASON_LENGTH[0]} characters.")
        if ACCOUNT_NUMBER.search(reason):
            raise forms.ValidationError(
                "Leave account numbers out: the audit log is never deleted."
            )
        return reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing that is acted on, in the words of a confirmation."""

    id: UUID
    text: object
    amount: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An action that this page's thing allows now, with the form of its dialog."""

    action: Action
    url: str
    ids: str
    word: str
    seen: str = ""

    @property
    def dialog(self) -> str:
        return f"act-{self.action.name}"


class ActingAdmin(NamedAdmin):
    """Records that people act on. The rows are still written by verbs alone."""

    acts: tuple[Action, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        meta = self.model._meta
        view = self.admin_site.admin_view(self.act_view)
        name = f"{meta.app_label}_{meta.model_name}_act"
        return [path("act/<str:name>/", view, name=name), *super().get_urls()]

    def act_url(self, action: Action, query: str = "") -> str:
        meta = self.model._meta
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_act", args=[action.name])
        return f"{url}?{query}" if query else url

    def subjects(self, ids: Sequence[UUID]) -> list[Subject]:
        """What the ids stand for."""
        rows = self.model._default_manager.filter(pk__in=ids)
        return [Subject(id=row.pk, text=str(row)) for row in rows]

    def offers(self, request: HttpRequest, row: Any) -> list[Offer]:
        """The actions that this person may do to this record as it stands."""
        found = []
        for action in self.acts:
            if not may(request, action.roles):
                continue
            (outcome,) = action.foresee([row.pk], actor_of(request))
            if not outcome.code:
                found.append(self.offer(action, row.pk, outcome))
        return found

    def offer(self, action: Action, subject: UUID, outcome: Outcome) -> Offer:
        return Offer(
            action=action,
            url=self.act_url(action),
            ids=str(subject),
            word=outcome.word,
            seen=_seen(action, [subject]),
        )

    def bulk(self, request: HttpRequest) -> list[Offer]:
        return [
            Offer(action=action, url=self.act_url(action), ids="", word="")
            for action in self.acts
            if may(request, action.roles)
        ]

    # --- the page of an action ---------------------------------------------------------------------

    def act_view(self, request: HttpRequest, name: str) -> HttpResponse:
        action = next((a for a in self.acts if a.name == name), None)
        if action is None:
            raise Http404
        if not may(request, action.roles):
            raise PermissionDenied
        if request.method == "POST":
            form = Why(request.POST)
            if form.is_valid():
                return self._perform(request, action, **form.cleaned_data)
            ids = _ids(request.POST.get("ids", "").split(","))
        elif request.method in ("GET", "HEAD"):
            form = Why()
            ids = self._asked_for(request)
        else:
            return HttpResponseNotAllowed(["GET", "POST"])
        return self._confirm(request, action, ids, form)

    def _asked_for(self, request: HttpRequest) -> list[UUID]:
        """Named one by one, or as the list that a filter shows."""
        if "matching" not in request.GET:
            ids = ",".join([*request.GET.getlist("id"), *request.GET.getlist("ids")])
            return _ids(ids.split(",")) if ids else []
        query, shown = QueryDict(request.GET["matching"]), request.GET
        try:
            request.GET = query
            rows = self.get_changelist_instance(request).get_queryset(request)
            return list(rows.values_list("pk", flat=True)[:MOST])
        except IncorrectLookupParameters:
            raise Http404 from None
        finally:
            request.GET = shown

    def _confirm(
        self, request: HttpRequest, action: Action, ids: list[UUID], form: Why
    ) -> HttpResponse:
        outcomes = {o.id: o for o in action.foresee(ids, actor_of(request))} if ids else {}
        able = [one for one in ids if not outcomes[one].code]
        subjects = {subject.id: subject for subject in self.subjects(ids)}
        chosen = [subjects[one] for one in able if one in subjects]
        context = {
            "form": form,
            "ids": ",".join(map(str, able)),
            "seen": _seen(action, able),
            "able": len(able),
            "most": MOST if len(ids) == MOST else 0,
            "totals": totals(chosen),
            "listed": [(s.text, looks.amount(s.amount, s.currency) if s.currency else "") for s in chosen[:LISTED]],
            "more": max(0, len(chosen) - LISTED),
            "left_out": _counted(outcomes.values()),
        }  # fmt: skip
        return self._page(request, action, "admin/act.html", context)

    def _perform(
        self,
        request: HttpRequest,
        action: Action,
        ids: list[UUID],
        reason: str,
        seen: dict[UUID, str],
    ) -> HttpResponse:
        outcomes = action.perform(ids, actor_of(request), reason, seen)
        if len(ids) == 1:
            return self._tell_one(request, action, outcomes[0])
        done = {o.id for o in outcomes if not o.code}
        subjects = self.subjects(ids)
        words = {o.id: o for o in outcomes}
        context = {
            "reason": reason,
            "done": len(done),
            "totals": totals(s for s in subjects if s.id in done),
            "left_out": _counted(outcomes),
            "refused": [(s.text, words[s.id].word) for s in subjects if s.id not in done][:LISTED],
        }
        return self._page(request, action, "admin/acted.html", context)

    def _tell_one(self, request: HttpRequest, action: Action, outcome: Outcome) -> HttpResponse:
        if outcome.code:
            messages.error(request, f"Not done: {outcome.word}. ({outcome.code})")
        else:
            messages.success(request, f"{action.done}: {outcome.word}.")
        meta = self.model._meta
        if not self.model._default_manager.filter(pk=outcome.id).exists():
            return redirect(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        return redirect(f"admin:{meta.app_label}_{meta.model_name}_change", outcome.id)

    def _page(
        self, request: HttpRequest, action: Action, template: str, context: dict[str, Any]
    ) -> HttpResponse:
        meta = self.model._meta
        shown = {
            **self.admin_site.each_context(request),
            "title": f"{action.label} {meta.verbose_name_plural}",
            "action": action,
            "thing": meta.verbose_name,
            "things": meta.verbose_name_plural,
            "back": reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"),
            "url": self.act_url(action),
            **context,
        }
        return TemplateResponse(request, template, shown)


def _ids(texts: Iterable[str]) -> list[UUID]:
    """The ids among them; an address that names none leads nowhere."""
    found = [as_uuid(text) for text in texts][:MOST]
    if None in found or not found:
        raise Http404
    return list(dict.fromkeys(one for one in found if one is not None))


def _seen(action: Action, ids: list[UUID]) -> str:
    """What a page shows of these, for the form to bring back; empty where nothing is held to it."""
    if action.contents is None or not ids:
        return ""
    contents = action.contents(ids)
    return ",".join(contents.get(one, "") for one in ids)


def totals(subjects: Iterable[Subject]) -> list[tuple[int, object]]:
    """How many and how much in each currency. Amounts of two currencies are never added."""
    sums: dict[str, list[Decimal]] = defaultdict(list)
    for subject in subjects:
        if subject.amount is not None:
            sums[subject.currency].append(subject.amount)
    return [
        (len(amounts), looks.amount(sum(amounts, Decimal(0)), currency))
        for currency, amounts in sorted(sums.items())
    ]


def _counted(outcomes: Iterable[Outcome]) -> list[tuple[int, str, str]]:
    """Refusals by code: how many, why in words, the code."""
    refused = [o for o in outcomes if o.code]
    words = {o.code: o.word for o in refused}
    return [(n, words[code], code) for code, n in Counter(o.code for o in refused).most_common()]
