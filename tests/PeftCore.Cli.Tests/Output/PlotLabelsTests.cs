using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests;

public sealed class PlotLabelsTests
{
    [Test]
    public void A_name_alone_stands_to_the_right_of_its_dot() =>
        Assert.That(PlotLabels.Place([(100, 50)], ["lora"]), Is.EqualTo(new[] { (108.0, 54.0) }));

    [Test]
    public void Names_of_close_dots_do_not_cover_each_other()
    {
        (double X, double Y)[] dots = [(100, 50), (106, 52), (112, 49)];
        string[] names = ["double_seq_bn", "lora", "dora"];

        var places = PlotLabels.Place(dots, names);

        for (int i = 0; i < 3; i++)
        {
            for (int j = 0; j < i; j++)
            {
                bool beside = places[i].X + 6.8 * names[i].Length <= places[j].X || places[j].X + 6.8 * names[j].Length <= places[i].X;
                Assert.That(beside || Math.Abs(places[i].Y - places[j].Y) >= 12.9,
                    $"{names[i]} and {names[j]} at {places[i]} and {places[j]}");
            }
        }
    }
}
