"""Every address of the engine."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/", include("payouts.api.urls")),
    path("", include("payouts.api.platform_urls")),
    path("admin/", admin.site.urls),
]
handler404 = "payouts.api.problems.not_found"
handler500 = "payouts.api.problems.server_error"
