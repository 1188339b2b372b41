using System.Diagnostics;
using System.Text.RegularExpressions;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>The page of explain in Chromium, where there is one.</summary>
public sealed class ExplainPageTests
{
    private static readonly string? Chromium = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .SelectMany(folder => new[] { "chromium", "chromium-browser", "google-chrome" }.Select(name => Path.Combine(folder, name)))
        .FirstOrDefault(File.Exists);

    [Test]
    public async Task The_page_is_drawn_without_an_error_and_opens_the_op_of_its_link()
    {
        if (Chromium is null)
        {
            Assert.Ignore("there is no chromium on the path");
        }
        using var directory = new TemporaryDirectory();
        string page = Path.Combine(directory.FullPath, "page.html");
        string model = Bundled.Fixture("hf", "llama", "base");
        ToolRun.Of("explain", "--model", model, "--batch-size", "2", "--max-seq-length", "8", "--html", page);

        var (dom, log) = await Draw(directory.FullPath, new Uri(page) + "#op-15");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(log, Does.Not.Contain("CONSOLE"));
            Assert.That(Regex.Matches(dom, "<polygon ").Count, Is.GreaterThanOrEqualTo(10), "kinds of two charts");
            Assert.That(dom, Does.Contain("peak ").And.Contain("shared by q_proj and v_proj; recomputed from what op 14")
                .And.Contain("aria-expanded=\"true\"").And.Contain("show op 15"));
            Assert.That(Regex.Matches(dom, "<li data-op=").Count, Is.EqualTo(30));
        }
    }

    private static async Task<(string Dom, string Log)> Draw(string folder, string address)
    {
        var start = new ProcessStartInfo(Chromium!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                "--headless", "--no-sandbox", "--disable-gpu", $"--user-data-dir={Path.Combine(folder, "profile")}",
                "--window-size=1280,900", "--virtual-time-budget=2000", "--enable-logging=stderr", "--v=0", "--dump-dom", address,
            },
        };
        using var browser = Process.Start(start)!;
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        try
        {
            var dom = browser.StandardOutput.ReadToEndAsync(limit.Token);
            var log = browser.StandardError.ReadToEndAsync(limit.Token);
            await browser.WaitForExitAsync(limit.Token);
            return (await dom, await log);
        }
        catch (OperationCanceledException)
        {
            browser.Kill(entireProcessTree: true);
            throw;
        }
    }
}
