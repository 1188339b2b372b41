using System.Xml.Linq;
using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests.Output;

public sealed class LossCurveTests
{
    [Test]
    public void The_drawing_is_xml_with_both_lines_and_named_axes()
    {
        CurvePoint[] train = [.. Enumerable.Range(1, 50).Select(step => new CurvePoint(step, 4 - step * 0.05))];
        CurvePoint[] eval = [new(0, 4), new(25, 2.9), new(50, 1.8)];

        var svg = XDocument.Parse(LossCurve.Svg(train, eval));

        string[] texts = [.. svg.Descendants().Where(node => node.Name.LocalName is "text" or "tspan").Select(node => node.Value)];
        Assert.That(texts, Does.Contain("step").And.Contain("loss").And.Contain("train").And.Contain("eval"));
        Assert.That(svg.Descendants().Count(node => node.Name.LocalName == "circle"), Is.EqualTo(3));
        Assert.That(svg.Descendants().Count(node => (string?)node.Attribute("stroke-width") is "1.5" or "2"), Is.EqualTo(2));
    }

    [Test]
    public void A_loss_that_is_not_finite_leaves_a_gap() =>
        Assert.That(LossCurve.Svg([new(1, 2), new(2, double.NaN), new(3, 1)], []), Does.Not.Contain("NaN").And.Contain("M"));

    [Test]
    public void Nothing_to_draw_is_still_a_drawing()
    {
        Assert.That(() => XDocument.Parse(LossCurve.Svg([], [])), Throws.Nothing);
        Assert.That(() => XDocument.Parse(LossCurve.Svg([new(1, 2)], [])), Throws.Nothing);
    }
}
