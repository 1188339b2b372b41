using System.Globalization;
using PeftCore.Training;
using Spectre.Console;

namespace PeftCore.Cli.Output;

/// <summary>Shows a run's progress: a bar that is redrawn on an interactive terminal, otherwise plain lines at intervals.</summary>
/// <param name="terminal">Where to write.</param>
/// <param name="every">Steps between plain lines.</param>
internal sealed class ProgressBar(Terminal terminal, int every)
{
    // Columns of the bar, of the percentage before it, and of the spaces between the three parts of the line.
    private const int Cells = 24, PercentAndSpaces = 10;

    private ProgressContext? _live;
    private ProgressTask? _task;

    /// <summary>Does the work of a run, with a bar below what it prints if the terminal is interactive.</summary>
    /// <param name="totalSteps">Steps of the run.</param>
    /// <param name="work">The run, which calls <see cref="Show"/> after its steps.</param>
    public T Run<T>(int totalSteps, Func<T> work) => !terminal.Interactive ? work() : terminal.Live(screen => screen.Progress()
        .AutoRefresh(false).AutoClear(false)
        .Columns(new PercentageColumn(), new ProgressBarColumn { Width = Cells }, new TaskDescriptionColumn { Alignment = Justify.Left })
        .Start(context =>
        {
            (_live, _task) = (context, context.AddTask("starting", maxValue: Math.Max(1, totalSteps)));
            try
            {
                return work();
            }
            finally
            {
                (_live, _task) = (null, null);
            }
        }));

    /// <summary>Shows the progress after a step.</summary>
    /// <param name="at">The progress.</param>
    /// <param name="measured">What the last evaluation measured, such as "accuracy 0.91 (step 40)"; null for nothing.</param>
    public void Show(in TrainingProgress at, string? measured = null)
    {
        if (_task is { } task && _live is { } live)
        {
            task.Description = Markup.Escape(Fit(Text(at, measured)));
            task.Value = at.Step;
            live.Refresh();
        }
        else if (!terminal.Interactive && (at.Step % every == 0 || at.Step == at.TotalSteps))
        {
            double done = at.TotalSteps == 0 ? 1 : Math.Clamp((double)at.Step / at.TotalSteps, 0, 1);
            terminal.Note(string.Create(CultureInfo.InvariantCulture, $"{done,4:0%} {Text(at, measured)}"));
        }
    }

    private static string Text(in TrainingProgress at, string? measured) => string.Create(CultureInfo.InvariantCulture,
        $"{at.Step}/{at.TotalSteps}  loss {at.Loss:0.0000}  {(measured is null ? "" : measured + "  ")}lr {at.LearningRate:0.##e-0}  " +
        $"{Speed(at)}peak {new ByteSize(at.PeakBytes)}  {Clock(at.TimeLeft)} left");

    // Models of pictures and sound read no tokens.
    private static string Speed(in TrainingProgress at) =>
        at.TokensPerSecond > 0 ? string.Create(CultureInfo.InvariantCulture, $"{at.TokensPerSecond:#,0} tok/s  ") : "";

    // The bar and its text are one line of the screen.
    private string Fit(string text) => text[..Math.Clamp(terminal.Width - Cells - PercentAndSpaces, 1, text.Length)];

    private static string Clock(TimeSpan time) =>
        time.TotalHours >= 1 ? $"{(int)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}" : $"{time.Minutes}:{time.Seconds:00}";
}
