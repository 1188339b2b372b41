using OpenQA.Selenium;

namespace PeftCore.Lab.Tests;

/// <summary>The page for those who use a keyboard, a screen reader, a phone, or a dark screen.</summary>
public sealed class AccessTests : OpenPage
{
    [OneTimeSetUp]
    public void Train()
    {
        Page.Type("#a-steps", "2");
        Page.Click("#a-train");
        Page.Until(() => Page.All("#a-delta .cell").Count > 0 && Page.All("#a-attention .cell").Count > 0
            && Page.All("#tensors [data-tensor]").Count > 0, "the views");
    }

    [Test]
    public void A_refused_setting_is_said_in_the_page()
    {
        Page.Run("document.querySelector('#run-a form').noValidate = true");
        Page.Type("#a-size", "9999");
        Page.Click("#a-train");
        Page.Until(() => Page.Find("#status").Text.Contains("size is 9999, expected a whole number from 1 to 256", StringComparison.Ordinal), "the sentence");
        Page.Type("#a-size", "3");
        // The browser logs the refusal itself.
        Assert.That(Page.Complaints, Has.All.Contains("400"));
    }

    [TestCase(1280)]
    [TestCase(390)]
    public void It_fits_the_width_of_a_laptop_and_of_a_phone(int width)
    {
        Page.Resize(width, 900);
        object? wide = Page.Run("""
            const wide = [...document.querySelectorAll('body *')].filter(each => !each.closest('.scroll, .hidden, .skip') && each.getBoundingClientRect().right > innerWidth + 1);
            return document.documentElement.scrollWidth > innerWidth ? wide.map(each => each.outerHTML.slice(0, 80)).join('\n') || 'the page' : '';
            """);
        Page.Resize(1280, 900);

        Assert.That(wide, Is.EqualTo(""));
    }

    [Test]
    public void Everything_has_a_name_for_a_screen_reader()
    {
        var nodes = Page.AccessibleNodes();
        string[] named = ["button", "combobox", "spinbutton", "textbox", "checkbox", "image", "table", "group", "link"];

        Assert.That(nodes.Where(node => named.Contains(node.Role) && node.Name.Length == 0), Is.Empty);
        Assert.That(nodes.Select(node => node.Role), Is.SupersetOf(new[] { "main", "banner", "contentinfo", "status", "image", "heading" }));
        Assert.That(nodes.Where(node => node.Role == "image").Select(node => node.Name), Has.Some.Contains("Loss. ").And.Some.Contains("Size of ΔW of "));
    }

    [Test]
    public void The_keyboard_reaches_everything()
    {
        Page.Run("""
            document.querySelectorAll('details').forEach(each => each.open = true);
            window.reached = [];
            document.addEventListener('focusin', event => reached.push([event.target.id, getComputedStyle(event.target).outlineStyle, event.target.tagName].join(' ')));
            document.getElementById('seed').focus();
            """);
        // As often as there are things to reach.
        Page.Press(string.Concat(Enumerable.Repeat(Keys.Tab, 60)), "");
        string[] reached = [.. ((IReadOnlyCollection<object>)Page.Run("return reached")!).Cast<string>()];
        Assert.That(reached.Where(each => each.Split(' ')[1] == "none"), Is.Empty, "a focus that is not seen");
        string[] controls = ["seed", "theme", "a-method", "a-size", "a-alpha", "a-rate", "a-target-q_proj", "a-batch", "a-every", "a-prompt",
            "a-steps", "a-train", "a-step", "a-kind", "a-export", "compare", "module", "layer", "head"];
        Assert.That(controls.Where(id => !reached.Any(each => each.Split(' ')[0] == id)), Is.Empty);
    }

    [Test]
    public void A_chart_is_read_with_the_arrow_keys_and_as_a_table()
    {
        Page.Run("document.querySelector('#chart-loss svg').focus()");
        Page.Press(Keys.Home, "");
        Assert.That(Page.Find("#chart-loss output").Text, Does.StartWith("step 0: held-out "));
        Page.Press(Keys.ArrowRight, "");
        Assert.That(Page.Find("#chart-loss output").Text, Does.StartWith("step 1: train "));
        Page.Click("#chart-loss figcaption button");
        Assert.That(Page.Find("#chart-loss table").Text, Does.Contain("held-out"));
        Assert.That(Page.Find("#chart-loss figcaption button").GetAttribute("aria-expanded"), Is.EqualTo("true"));
    }

    [TestCase("light")]
    [TestCase("dark")]
    public void Texts_and_lines_stand_out_from_what_is_behind_them(string scheme)
    {
        Page.Prefer(scheme);
        foreach (string name in new[] { "ink", "quiet", "a", "b", "warn" })
        {
            foreach (string behind in new[] { "paper", "card" })
            {
                Assert.That(Contrast($"--{name}", $"--{behind}"), Is.GreaterThanOrEqualTo(4.5), $"{name} on {behind}");
            }
        }
        Assert.That(Contrast("--on-button", "--button"), Is.GreaterThanOrEqualTo(4.5));
    }

    [Test]
    public void It_says_when_the_lab_has_ended()
    {
        using (var other = new OpenLab())
        {
            Page.Open(other.Url);
            Page.Find("#a-train");
            Assert.That(other.Stop(), Is.EqualTo(1), "the code of a verb that was told to stop");
            Page.Until(() => Page.Find("#status").Text.Contains("The lab has ended", StringComparison.Ordinal), "the sentence");
        }
        Page.Open(Lab.Url);
        Page.Until(() => Page.Find("#a-facts").Text.Contains("step 2", StringComparison.Ordinal), "the run that was there before");
    }

    private double Contrast(string one, string other)
    {
        double[] light = [.. new[] { one, other }.Select(name => Luminance((string)Page.Run(
            $"return getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()")!)).Order()];
        return (light[1] + 0.05) / (light[0] + 0.05);
    }

    /// <summary>Relative luminance of a colour #rrggbb (WCAG 2.2).</summary>
    private static double Luminance(string colour)
    {
        double[] linear = [.. Enumerable.Range(0, 3).Select(i => Convert.ToInt32(colour.Substring(1 + 2 * i, 2), 16) / 255.0)
            .Select(part => part <= 0.04045 ? part / 12.92 : Math.Pow((part + 0.055) / 1.055, 2.4))];
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    }
}
