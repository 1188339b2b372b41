using System.Globalization;
using PeftCore.Training;

namespace PeftCore.Cli.Output;

/// <summary>Shows a run's progress: a bar that is redrawn on an interactive terminal, otherwise plain lines at intervals.</summary>
/// <param name="terminal">Where to write.</param>
/// <param name="every">Steps between plain lines.</param>
internal sealed class ProgressBar(Terminal terminal, int every)
{
    private const int Cells = 24;

    /// <summary>Shows the progress after a step.</summary>
    public void Show(in TrainingProgress at)
    {
        if (terminal.Interactive)
        {
            terminal.Status(Fit(Line(at)));
        }
        else if (at.Step % every == 0 || at.Step == at.TotalSteps)
        {
            terminal.Note(Text(at));
        }
    }

    private static string Text(in TrainingProgress at) => string.Create(CultureInfo.InvariantCulture,
        $"{Fraction(at),4:0%} {at.Step}/{at.TotalSteps}  loss {at.Loss:0.0000}  lr {at.LearningRate:0.##e-0}  {Speed(at)}" +
        $"peak {new ByteSize(at.PeakBytes)}  {Clock(at.TimeLeft)} left");

    // Models of pictures and sound read no tokens.
    private static string Speed(in TrainingProgress at) =>
        at.TokensPerSecond > 0 ? string.Create(CultureInfo.InvariantCulture, $"{at.TokensPerSecond:#,0} tok/s  ") : "";

    private string Line(in TrainingProgress at)
    {
        int full = (int)(Fraction(at) * Cells);
        string done = new('█', full);
        string bar = terminal.Color ? $"\u001b[36m{done}\u001b[0m" : done;
        string text = Text(at);
        return $"{text[..4]} {bar}{new string('░', Cells - full)}{text[4..]}";
    }

    // A status line must fit one line of the screen; colour codes take no columns.
    private string Fit(string line)
    {
        int codes = terminal.Color ? "\u001b[36m\u001b[0m".Length : 0;
        return line.Length - codes < terminal.Width ? line : line[..Math.Max(0, terminal.Width - 1 + codes)];
    }

    private static double Fraction(in TrainingProgress at) => at.TotalSteps == 0 ? 1 : Math.Clamp((double)at.Step / at.TotalSteps, 0, 1);

    private static string Clock(TimeSpan time) =>
        time.TotalHours >= 1 ? $"{(int)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}" : $"{time.Minutes}:{time.Seconds:00}";
}
