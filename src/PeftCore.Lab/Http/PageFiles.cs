using Microsoft.AspNetCore.Http;
using PeftCore.Server.Http;

namespace PeftCore.Lab.Http;

/// <summary>The files of the page, which the assembly holds.</summary>
internal static class PageFiles
{
    /// <summary>The page runs its own files only, and is shown in no other page.</summary>
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

    private static readonly Dictionary<string, string> Types = new(StringComparer.Ordinal)
    {
        [".html"] = "text/html; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".svg"] = "image/svg+xml",
    };

    /// <summary>The page itself.</summary>
    public static Task Index(HttpContext context, RequestNote note) => Send(context, "index.html");

    /// <summary>A script or the style sheet.</summary>
    public static Task File(HttpContext context, RequestNote note) => Send(context, context.Request.Path.Value!.Split('/')[^1]);

    private static async Task Send(HttpContext context, string name)
    {
        // Names are looked up in a table of embedded files; no path of a disk is made of them.
        byte[]? bytes = Types.ContainsKey(Path.GetExtension(name)) ? Resources.Find("Page/" + name) : null;
        if (bytes is null)
        {
            throw new ApiException(404, "the page has no such file", code: "unknown_url");
        }
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "no-store";
        context.Response.ContentType = Types[Path.GetExtension(name)];
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }
}
