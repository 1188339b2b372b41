using PeftCore.Cli.Output;
using PeftCore.Training;

namespace PeftCore.Cli.Tests.Output;

public sealed class ProgressBarTests
{
    private static readonly TrainingProgress Half = new(50, 100, 0.5, 1.23456, 4.1e-5, 1, 12345, 88L << 20, TimeSpan.FromSeconds(75),
        TimeSpan.FromSeconds(75));

    [Test]
    public void Where_there_is_no_screen_a_plain_line_tells_everything()
    {
        using var error = new StringWriter();
        new ProgressBar(new Terminal(TextWriter.Null, error), every: 10).Show(Half);

        Assert.That(error.ToString().TrimEnd(), Is.EqualTo(" 50% 50/100  loss 1.2346  lr 4.1e-5  12,345 tok/s  peak 88.0 MiB  1:15 left"));
    }

    [Test]
    public void Plain_lines_come_now_and_then_and_at_the_end()
    {
        using var error = new StringWriter();
        var bar = new ProgressBar(new Terminal(TextWriter.Null, error), every: 10);
        for (int step = 1; step <= 25; step++)
        {
            bar.Show(new TrainingProgress(step, 25, 1, 1, 1e-4, 1, 10, 0, TimeSpan.FromSeconds(step), TimeSpan.FromSeconds(25 - step)));
        }

        Assert.That(error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries), Has.Length.EqualTo(3));
    }

    [Test]
    public void On_a_screen_one_line_is_drawn_over_and_stays_on_one_line()
    {
        using var error = new StringWriter();
        var terminal = new Terminal(TextWriter.Null, error) { Interactive = true, Width = 60 };
        var bar = new ProgressBar(terminal, every: 10);
        bar.Show(Half);
        bar.Show(Half);
        terminal.EndStatus();

        string[] drawn = error.ToString().TrimEnd('\n', '\r').Split('\r', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(drawn, Has.Length.EqualTo(2));
        Assert.That(drawn[0], Does.Contain("████████████░").And.Length.LessThan(60 + "\u001b[2K".Length));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Colour_is_used_only_where_it_may_be(bool color)
    {
        using var error = new StringWriter();
        new ProgressBar(new Terminal(TextWriter.Null, error) { Interactive = true, Color = color, Width = 200 }, every: 1).Show(Half);

        Assert.That(error.ToString().Contains("\u001b[36m"), Is.EqualTo(color));
    }

    [Test]
    public void A_line_for_people_goes_below_the_bar()
    {
        using var error = new StringWriter();
        var terminal = new Terminal(error, error) { Interactive = true };
        new ProgressBar(terminal, every: 1).Show(Half);
        terminal.Say("saved");

        Assert.That(error.ToString(),
            Does.EndWith($"left{Environment.NewLine}saved{Environment.NewLine}").Or.EndWith(
            $"{Environment.NewLine}saved{Environment.NewLine}"));
    }
}
