using PeftCore.Cli.Tests;

namespace PeftCore.Lab.Tests;

/// <summary>A lab and its page in a browser, for the tests of one class.</summary>
public abstract class OpenPage
{
    private TemporaryDirectory _directory = null!;
    private OpenLab _lab = null!;
    private Browser _browser = null!;

    private protected OpenLab Lab => _lab;

    private protected Browser Page => _browser;

    /// <summary>Where downloads go.</summary>
    private protected string Downloads => _directory.FullPath;

    [OneTimeSetUp]
    public void Open()
    {
        _directory = new TemporaryDirectory();
        _browser = Browser.Start(_directory.FullPath);
        _lab = new OpenLab();
        Page.Resize(1280, 900);
        Page.Open(_lab.Url);
        Page.Find("#a-train");
    }

    [OneTimeTearDown]
    public void Close()
    {
        _browser?.Dispose();
        _lab?.Dispose();
        _directory.Dispose();
    }
}
