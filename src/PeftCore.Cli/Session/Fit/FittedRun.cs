using PeftCore.Backends;
using PeftCore.Cli.Options;
using PeftCore.Cli.Output;
using PeftCore.Cli.Verbs;
using PeftCore.Models;

namespace PeftCore.Cli.Session.Fit;

/// <summary>Chooses the settings of train --fit.</summary>
internal static class FittedRun
{
    /// <summary>The settings of the first proposal. It is planned with the classes that the data give to a head.</summary>
    /// <param name="call">The terminal.</param>
    /// <param name="options">The settings that the user gave.</param>
    /// <exception cref="BadInputException">Nothing fits, or the run is resumed.</exception>
    public static TrainOptions Choose(Invocation call, TrainOptions options)
    {
        if (options.ResumeFromCheckpoint is not null)
        {
            throw new BadInputException($"--fit and {options.Given.PlaceOf("resume-from-checkpoint")} contradict each other: a run is " +
                $"resumed with the settings it began with; give -c with its {TrainingJob.SettingsName} instead of --fit.");
        }
        return FitReport.Choose(call, new ModelSource(options, Config: null) { Task = TaskOf(call, options) });
    }

    private static TaskOptions? TaskOf(Invocation call, TrainOptions options)
    {
        var planned = TaskChoice.Planned(options);
        var source = new ModelSource(options, Config: null) { Task = planned };
        if (options.Data is not { } data || !TaskChoice.HasLabels(source.Declared().Task))
        {
            return planned;
        }
        // The run itself reads the data again and says what there is to say of them.
        var silent = call with { Terminal = new Terminal(TextWriter.Null, TextWriter.Null) };
        using var session = ModelSession.OpenUnloaded(new CpuBackend(threads: 1), options.Model, task: TaskChoice.Of(options));
        var setup = new DataSetup(session, options, AdapterSetup.PlacesOf(AdapterSetup.ConfigOf(options)));
        setup.TakeLabels(setup.Open(data, silent).RequireTrain(), silent);
        return session.Task;
    }
}
