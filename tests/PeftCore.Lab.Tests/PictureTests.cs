namespace PeftCore.Lab.Tests;

/// <summary>Pictures of the page for those who change it, and of the documentation.</summary>
[Explicit("for people to look at")]
public sealed class PictureTests
{
    private const int Part = 1500;

    [Test]
    public void The_page_at_the_widths_of_a_laptop_and_a_phone()
    {
        string output = Environment.GetEnvironmentVariable("PEFTCORE_PICTURES") ?? TestContext.CurrentContext.WorkDirectory;
        using var lab = new OpenLab();
        using var browser = Browser.Start(output);
        browser.Resize(1280, 900);
        browser.Open(lab.Url);
        browser.Find("#run-a");
        Save("empty", 1280);
        browser.Click("#a-train");
        browser.Until(() => browser.Find("#a-facts").Text.Contains("training"), "the start");
        browser.Click("#compare");
        browser.Type("#b-size", "2");
        browser.Click("#b-train");
        browser.Until(() => browser.Find("#a-facts").Text.Contains("paused") && browser.Find("#b-facts").Text.Contains("paused"), "the end");
        browser.Until(() => browser.All("#b-delta .cell").Count > 0 && browser.All("#b-attention .cell").Count > 0, "the views");
        browser.Prefer("light");
        File.WriteAllBytes(Path.Combine(output, "lab.png"), browser.Picture(1280, 0, Bottom("#charts")));
        foreach (string scheme in new[] { "light", "dark" })
        {
            browser.Prefer(scheme);
            foreach (int width in new[] { 1280, 390 })
            {
                browser.Resize(width, 900);
                Save(scheme, width);
            }
        }
        TestContext.Out.WriteLine(string.Join("\n", browser.Complaints));

        int Bottom(string selector) => Convert.ToInt32(
            browser.Run($"return Math.ceil(document.querySelector('{selector}').getBoundingClientRect().bottom + scrollY + 16)"));

        void Save(string name, int width)
        {
            for (int top = 0, height = browser.Height; top < height; top += Part)
            {
                File.WriteAllBytes(Path.Combine(output, $"{name}-{width}-{top / Part}.png"),
                    browser.Picture(width, top, Math.Min(Part, height - top)));
            }
        }
    }
}
