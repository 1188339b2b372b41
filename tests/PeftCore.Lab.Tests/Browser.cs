using System.Globalization;
using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;

namespace PeftCore.Lab.Tests;

/// <summary>Chromium without a window, driven through WebDriver. Debian's packages chromium and chromium-driver have it.</summary>
internal sealed class Browser : IDisposable
{
    private const string Program = "/usr/bin/chromium", Driver = "/usr/bin/chromedriver";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly ChromeDriver _driver;

    private Browser(string downloads)
    {
        var options = new ChromeOptions { BinaryLocation = Program };
        options.AddArguments("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
            "--no-first-run", "--hide-scrollbars");
        options.AddUserProfilePreference("download.default_directory", downloads);
        options.AddUserProfilePreference("download.prompt_for_download", false);
        options.SetLoggingPreference(LogType.Browser, LogLevel.All);
        // The path of the driver is given, so that nothing looks for one elsewhere.
        var service = ChromeDriverService.CreateDefaultService(Path.GetDirectoryName(Driver), Path.GetFileName(Driver));
        service.SuppressInitialDiagnosticInformation = true;
        _driver = new ChromeDriver(service, options, TimeSpan.FromMinutes(2));
    }

    /// <summary>Starts a browser; the test is skipped, with the reason, where there is none.</summary>
    /// <param name="downloads">Where downloads go.</param>
    public static Browser Start(string downloads)
    {
        foreach (string file in new[] { Program, Driver })
        {
            if (!File.Exists(file))
            {
                Assert.Ignore($"there is no {file}: install Debian's packages chromium and chromium-driver");
            }
        }
        return new Browser(downloads);
    }

    /// <summary>What the page and the browser complained of.</summary>
    public IReadOnlyList<string> Complaints => [.. _driver.Manage().Logs.GetLog(LogType.Browser)
        .Where(entry => entry.Level is LogLevel.Severe or LogLevel.Warning).Select(entry => $"{entry.Level}: {entry.Message}")];

    public string Address => _driver.Url;

    public void Open(Uri address) => _driver.Navigate().GoToUrl(address);

    /// <summary>Sets the inner size of the page, as a phone or a laptop has it.</summary>
    public void Resize(int width, int height) => _driver.ExecuteCdpCommand("Emulation.setDeviceMetricsOverride",
        new Dictionary<string, object?> { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = width < 600 });

    /// <summary>What the system prefers: "light" or "dark".</summary>
    public void Prefer(string scheme) => _driver.ExecuteCdpCommand("Emulation.setEmulatedMedia", new Dictionary<string, object?>
    {
        ["features"] = new[] { new Dictionary<string, object?> { ["name"] = "prefers-color-scheme", ["value"] = scheme } },
    });

    /// <summary>Waits for an element that is shown.</summary>
    public IWebElement Find(string selector) =>
        Until(() => _driver.FindElements(By.CssSelector(selector)).FirstOrDefault(element => element.Displayed), selector);

    public IReadOnlyList<IWebElement> All(string selector) => _driver.FindElements(By.CssSelector(selector));

    public void Click(string selector)
    {
        var element = Find(selector);
        Run("arguments[0].scrollIntoView({block: 'center'})", element);
        element.Click();
    }

    /// <summary>Replaces what a field has.</summary>
    public void Type(string selector, string text)
    {
        var field = Find(selector);
        field.Clear();
        field.SendKeys(text);
    }

    public void Choose(string selector, string value)
    {
        Find(selector);
        Find($"{selector} option[value='{value}']").Click();
    }

    /// <summary>Runs a script in the page.</summary>
    public object? Run(string script, params object[] arguments) => _driver.ExecuteScript(script, arguments);

    /// <summary>Presses a key where the focus is, and runs a script afterwards.</summary>
    public object? Press(string key, string script)
    {
        _driver.SwitchTo().ActiveElement().SendKeys(key);
        return Run(script);
    }

    /// <summary>What a screen reader is told: role and name of each node that is not ignored.</summary>
    public IReadOnlyList<(string Role, string Name)> AccessibleNodes()
    {
        var answer = (Dictionary<string, object?>)_driver.ExecuteCdpCommand("Accessibility.getFullAXTree", [])!;
        return [.. ((IEnumerable<object>)answer["nodes"]!).Cast<Dictionary<string, object?>>()
            .Where(node => node["ignored"] is false).Select(node => (Value(node, "role"), Value(node, "name")))];

        static string Value(Dictionary<string, object?> node, string name) =>
            node.TryGetValue(name, out object? found) && found is Dictionary<string, object?> value && value["value"] is string text ? text : "";
    }

    /// <summary>Waits until something is there.</summary>
    public T Until<T>(Func<T?> find, string what)
        where T : class
    {
        long began = Environment.TickCount64;
        while (true)
        {
            try
            {
                if (find() is { } found)
                {
                    return found;
                }
            }
            catch (StaleElementReferenceException)
            {
                // The page has drawn anew.
            }
            if (Environment.TickCount64 - began > Patience.TotalMilliseconds)
            {
                throw new AssertionException($"{what} did not come; the page says \"{_driver.FindElement(By.Id("status")).Text}\"; " +
                    string.Join("; ", Complaints));
            }
            Thread.Yield();
        }
    }

    public void Until(Func<bool> holds, string what) => Until(() => holds() ? "" : null, what);

    /// <summary>Height of the whole page.</summary>
    public int Height => Convert.ToInt32(Run("return document.documentElement.scrollHeight"), CultureInfo.InvariantCulture);

    /// <summary>A picture of a part of the page, seen or not.</summary>
    public byte[] Picture(int width, int top, int height)
    {
        var answer = (Dictionary<string, object?>)_driver.ExecuteCdpCommand("Page.captureScreenshot", new Dictionary<string, object?>
        {
            ["captureBeyondViewport"] = true,
            ["clip"] = new Dictionary<string, object?>
            {
                ["x"] = 0, ["y"] = top, ["width"] = width, ["height"] = height, ["scale"] = 1,
            },
        })!;
        return Convert.FromBase64String((string)answer["data"]!);
    }

    public void Dispose() => _driver.Quit();
}
