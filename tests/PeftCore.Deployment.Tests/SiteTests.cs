using System.Text.Json;

namespace PeftCore.Deployment.Tests;

/// <summary>The site of docs/docfx.json, built in a copy of the folders that it reads.</summary>
[NonParallelizable]
public sealed class SiteTests
{
    private TemporaryDirectory _copy = null!;
    private string _output = "";

    private string Site => _copy["docs", "_site"];

    [OneTimeSetUp]
    public void Build()
    {
        Programs.RequirePublishing();
        _copy = new TemporaryDirectory();
        foreach (string file in Inputs())
        {
            // The configuration reads assemblies of a release; here they are those of this build.
            string copy = _copy[Path.GetRelativePath(TestFiles.Root, file)]
                .Replace($"bin{Path.DirectorySeparatorChar}{Packages.Configuration}", $"bin{Path.DirectorySeparatorChar}Release", StringComparison.Ordinal);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        Command.Dotnet(_copy.FullPath, "tool", "restore");
        _output = Command.Dotnet(_copy.FullPath, "docfx", "docs/docfx.json", "--warningsAsErrors");
    }

    [OneTimeTearDown]
    public void Remove() => _copy?.Dispose();

    [Test]
    public void It_builds_without_warnings() =>
        Assert.That(_output, Does.Contain("Build succeeded.").And.Contain("0 warning(s)").And.Contain("0 error(s)"));

    [Test]
    public void No_link_is_dead()
    {
        var links = new SiteLinks(Site);
        Assert.That(links.Pages, Has.Count.GreaterThan(250));
        Assert.That(SiteLinks.LinksOf(Path.Combine(Site, "architecture.html")), Has.Some.EqualTo("source/src/PeftCore/Peft/Methods/Lora/LoraLayer.cs"));
        Assert.That(links.Dead(), Is.Empty);
    }

    [Test]
    public void Pages_and_types_can_be_searched()
    {
        using var index = JsonDocument.Parse(File.ReadAllText(Path.Combine(Site, "index.json")));
        string[] found = [.. index.RootElement.EnumerateObject().Select(page => page.Name)];
        Assert.That(found, Is.SupersetOf(new[]
        {
            "index.html", "getting-started/library.html", "methods/lora.html", "verbs/train.html", "api/PeftCore.Peft.PeftModel.html",
            "api/PeftCore.Tokenizers.Tokenizer.html", "api/PeftCore.Ilgpu.IlgpuDevices.html", "api/PeftCore.Extensions.AI.PeftCoreChatClient.html",
        }));
    }

    [Test]
    public void A_link_that_leads_nowhere_would_be_found()
    {
        using var site = new TemporaryDirectory();
        File.WriteAllText(site["a.html"], """<a id="here"></a><a href="b.html#there">1</a><a class="x" href="#here">2</a><img src="c.svg"><a href="https://x.org/y">3</a>""");
        File.WriteAllText(site["b.html"], """<h2 id="elsewhere"></h2><a href="a.html#here">4</a><a href="../outside.html">5</a>""");
        Assert.That(new SiteLinks(site.FullPath).Dead(), Is.EqualTo(new[] { "a.html: b.html#there", "a.html: c.svg", "b.html: ../outside.html" }));
    }

    private static IEnumerable<string> Inputs()
    {
        static IEnumerable<string> Under(string folder) =>
            Directory.EnumerateFiles(Path.Combine(TestFiles.Root, folder), "*", SearchOption.AllDirectories);
        bool IsBuilt(string file) => file.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj" or "_site" or "api");

        var assemblies = ((string[])["PeftCore", "PeftCore.Tokenizers", "PeftCore.Ilgpu", "PeftCore.Extensions.AI"])
            .SelectMany(library => Directory.EnumerateFiles(
                Path.Combine(TestFiles.Root, "src", library, "bin", Packages.Configuration, "net10.0")));
        return Under("docs").Concat(Under("src").Where(file => Path.GetExtension(file) is ".cs" or ".png"))
            .Concat(Under("bench").Where(file => file.EndsWith(".md", StringComparison.Ordinal)))
            .Where(file => !IsBuilt(Path.GetRelativePath(TestFiles.Root, file))).Concat(assemblies).Concat(Under(".config"));
    }
}
