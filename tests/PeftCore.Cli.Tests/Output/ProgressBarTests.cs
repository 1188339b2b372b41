using System.Text.RegularExpressions;
using PeftCore.Cli.Output;
using PeftCore.Training;

namespace PeftCore.Cli.Tests.Output;

public sealed partial class ProgressBarTests
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
    public void What_the_last_evaluation_measured_is_told_beside_the_loss()
    {
        using var error = new StringWriter();
        new ProgressBar(new Terminal(TextWriter.Null, error), every: 10).Show(Half, "accuracy 0.9100 (step 40)");

        Assert.That(error.ToString(), Does.Contain("loss 1.2346  accuracy 0.9100 (step 40)  lr 4.1e-5"));
    }

    [TestCase(80)]
    [TestCase(60)]
    public void On_a_screen_a_bar_is_drawn_over_on_one_line(int width)
    {
        string drawn = Drawn(color: false, width, bar => bar.Show(Half));

        // The line is drawn at the start, after the step and at the end: it is one line, for the cursor never goes up.
        Assert.That(drawn, Does.Contain("━━━━━━━━━━━━").And.Contain(" 50%").And.Contain("50/100  loss 1.2346"));
        Assert.That(CursorMoves().Matches(drawn).Select(move => move.Groups[1].Value), Is.All.EqualTo("2").Or.Empty);
        Assert.That(drawn.Split('\n').Select(line => Codes().Replace(line, "").TrimEnd('\r').TrimEnd().Split('\r')[^1].Length),
            Is.All.LessThanOrEqualTo(width));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Colour_is_used_only_where_it_may_be(bool color) =>
        Assert.That(Colours().IsMatch(Drawn(color, 100, bar => bar.Show(Half))), Is.EqualTo(color));

    [Test]
    public void A_line_for_people_stays_above_the_bar_which_is_drawn_again()
    {
        using var error = new StringWriter();
        var terminal = new Terminal(error, error) { Interactive = true, OutputIsScreen = true, Width = 100 };
        var bar = new ProgressBar(terminal, every: 1);
        int result = bar.Run(100, () =>
        {
            bar.Show(Half);
            terminal.Note("evaluated");
            terminal.Say("saved");
            return 7;
        });
        terminal.Say("after");

        string drawn = error.ToString();
        Assert.That(result, Is.EqualTo(7));
        Assert.That(drawn.IndexOf("evaluated", StringComparison.Ordinal), Is.LessThan(drawn.LastIndexOf("50/100", StringComparison.Ordinal)));
        Assert.That(drawn.IndexOf("saved", StringComparison.Ordinal), Is.LessThan(drawn.LastIndexOf("50/100", StringComparison.Ordinal)));
        Assert.That(drawn.TrimEnd(), Does.EndWith("after"));
        Assert.That(drawn, Does.Contain("\u001b[?25l").And.Contain("\u001b[?25h"), "the cursor is hidden and shown again");
    }

    [Test]
    public void An_error_in_the_work_passes_through_the_bar()
    {
        using var error = new StringWriter();
        var bar = new ProgressBar(new Terminal(error, error) { Interactive = true }, every: 1);

        Assert.That(() => bar.Run<int>(5, () => throw new BadInputException("full")),
            Throws.TypeOf<BadInputException>().With.Message.EqualTo("full"));
        Assert.That(error.ToString(), Does.Contain("\u001b[?25h"));
    }

    [Test]
    public void The_work_runs_on_the_thread_that_asked_for_it()
    {
        using var error = new StringWriter();
        var bar = new ProgressBar(new Terminal(error, error) { Interactive = true }, every: 1);

        Assert.That(bar.Run(1, () => Environment.CurrentManagedThreadId), Is.EqualTo(Environment.CurrentManagedThreadId));
    }

    private static string Drawn(bool color, int width, Action<ProgressBar> show)
    {
        using var error = new StringWriter();
        var bar = new ProgressBar(new Terminal(TextWriter.Null, error) { Interactive = true, Color = color, Width = width }, every: 10);
        bar.Run(100, () =>
        {
            show(bar);
            return 0;
        });
        return error.ToString();
    }

    [GeneratedRegex("\u001b\\[[0-9;]+m")]
    private static partial Regex Colours();

    [GeneratedRegex("\u001b\\[([0-9]*)A")]
    private static partial Regex CursorMoves();

    [GeneratedRegex("\u001b\\[[?0-9;]*[A-Za-z]")]
    private static partial Regex Codes();
}
