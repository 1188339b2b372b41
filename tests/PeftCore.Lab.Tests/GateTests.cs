using System.Net;
using System.Net.Http.Headers;
using System.Net.NetworkInformation;
using System.Text;

namespace PeftCore.Lab.Tests;

/// <summary>Who is answered: the lab's own page, and programs that know the token.</summary>
public sealed class GateTests
{
    private OpenLab _lab = null!;

    private static string[] Reads => ["/", "/page/main.js", "/page/app.css", "/api/lab", "/api/events"];

    private static string[] Writes =>
        ["/api/create", "/api/close", "/api/train", "/api/delta", "/api/attention", "/api/tensors", "/api/tensor", "/api/export"];

    [OneTimeSetUp]
    public void Open() => _lab = new OpenLab();

    [OneTimeTearDown]
    public void Close() => _lab.Dispose();

    [Test]
    public void It_listens_on_the_loopback_address_alone()
    {
        var listeners = IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Where(each => each.Port == _lab.Url.Port);

        Assert.That(listeners.Select(each => each.Address), Is.EqualTo(new[] { IPAddress.Loopback }));
        Assert.That(_lab.Url.Host, Is.EqualTo("127.0.0.1"));
    }

    [Test]
    public async Task No_endpoint_answers_without_the_token(
        [Values("", "0123456789", "token")] string token)
    {
        using var http = new HttpClient { BaseAddress = _lab.Http.BaseAddress };
        if (token.Length > 0)
        {
            http.DefaultRequestHeaders.Add("X-Lab-Token", token);
        }
        foreach (string path in Reads)
        {
            using var answer = await http.GetAsync(path, HttpCompletionOption.ResponseHeadersRead);
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized), path);
            Assert.That(await answer.Content.ReadAsStringAsync(), Does.Contain("open the address that peftcore lab printed"));
        }
        foreach (string path in Writes)
        {
            using var answer = await http.PostAsync(path, Json("{}"));
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized), path);
        }
    }

    [TestCase("Origin", "http://evil.example")]
    [TestCase("Origin", "https://127.0.0.1")]
    [TestCase("Origin", "null")]
    [TestCase("Origin", "http://127.0.0.1:1")]
    [TestCase("Host", "evil.example")]
    [TestCase("Host", "127.0.0.1:1")]
    [TestCase("Sec-Fetch-Site", "cross-site")]
    [TestCase("Sec-Fetch-Site", "same-site")]
    public async Task Other_pages_are_refused_even_with_the_token(string header, string value)
    {
        foreach (string path in Writes)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = Json("""{"run": "a"}""") };
            request.Headers.TryAddWithoutValidation(header, value);
            using var answer = await _lab.Http.SendAsync(request);
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden), path);
        }
        foreach (string path in Reads)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.TryAddWithoutValidation(header, value);
            using var answer = await _lab.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.Forbidden), path);
        }
    }

    [Test]
    public async Task The_printed_address_sets_a_cookie_that_scripts_and_other_sites_do_not_get()
    {
        using var handler = new HttpClientHandler { UseCookies = false };
        using var http = new HttpClient(handler);
        using var page = await http.GetAsync(_lab.Url);
        string cookie = page.Headers.GetValues("Set-Cookie").Single();
        using var script = new HttpRequestMessage(HttpMethod.Get, new Uri(_lab.Url, "/page/main.js"));
        script.Headers.Add("Cookie", cookie.Split(';')[0]);
        using var loaded = await http.SendAsync(script);

        Assert.That(cookie, Does.Contain("httponly").And.Contain("samesite=strict"));
        Assert.That(page.Content.Headers.ContentType!.ToString(), Is.EqualTo("text/html; charset=utf-8"));
        Assert.That(page.Headers.GetValues("Content-Security-Policy").Single(), Does.Contain("script-src 'self'").And.Contain("frame-ancestors 'none'"));
        Assert.That(loaded.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(loaded.Content.Headers.ContentType!.MediaType, Is.EqualTo("text/javascript"));
    }

    [Test]
    public async Task A_body_that_is_larger_than_settings_are_is_refused()
    {
        foreach (string path in Writes)
        {
            try
            {
                using var answer = await _lab.Post(path, $$"""{"run": "a", "x": "{{new string('x', 1 << 20)}}"}""");
                Assert.That((int)answer.StatusCode, Is.EqualTo(413), path);
            }
            catch (HttpRequestException e) when (e.InnerException is IOException)
            {
                // The server answers and closes while the body is still being sent, so the answer may not be read.
            }
        }
    }

    [Test]
    public async Task A_form_of_another_page_cannot_send_json()
    {
        using var content = new StringContent("""{"run": "a", "steps": 1}""", Encoding.UTF8, new MediaTypeHeaderValue("text/plain"));
        using var answer = await _lab.Http.PostAsync("/api/train", content);

        Assert.That((int)answer.StatusCode, Is.EqualTo(415));
    }

    [TestCase("/page/../LabServer.cs")]
    [TestCase("/page/..%2f..%2fData%2fold-books.txt")]
    [TestCase("/page/%2e%2e/Data/old-books.txt")]
    [TestCase("/page/old-books.txt")]
    [TestCase("/page/main.js%00.html")]
    [TestCase("/page//etc/passwd")]
    public async Task Only_files_of_the_page_are_sent(string path)
    {
        using var answer = await _lab.Http.GetAsync(path);

        Assert.That((int)answer.StatusCode, Is.EqualTo(404).Or.EqualTo(400));
    }

    private static StringContent Json(string text) => new(text, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
}
