using System.Text.Json.Nodes;
using PeftCore.Cli.Options;
using PeftCore.Cli.Verbs;
using PeftCore.Io;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>Resuming a run: its checkpoint, its output directory, and settings that changed.</summary>
internal static class Resumption
{
    /// <summary>Settings that may change when a run is resumed, because the trained numbers do not depend on them.</summary>
    private static readonly HashSet<string> Free =
        ["output_dir", "resume_from_checkpoint", "device", "threads", "max_memory", "no_replay", "pack_weights", "logging_steps",
            "report_to", "eval_steps", "save_steps", "save_total_limit", "model", "data"];

    /// <summary>The checkpoint directory itself, or the last checkpoint of a run's directory.</summary>
    public static string CheckpointOf(string directory)
    {
        if (File.Exists(Path.Combine(directory, "trainer_state.json")))
        {
            return directory;
        }
        return Checkpoint.Last(directory)
            ?? throw new BadInputException(
            $"{directory}: there is no checkpoint here to go on from; name a checkpoint-N directory or a run that has one.");
    }

    /// <summary>Refuses an output directory with other content. A resumed run may write into its own directory.</summary>
    public static void CheckOutput(string output, TrainOptions options, Invocation call)
    {
        OutputDirectory.RefuseFile(output);
        if (options.ResumeFromCheckpoint is { } checkpoint && RealPath.AreSame(output, RunOf(CheckpointOf(checkpoint))))
        {
            return;
        }
        OutputDirectory.Check(output, OutputKind.Run, (options.Model, "the base model"), (options.ResumeFromCheckpoint, "the checkpoint"));
        // A run with checkpoints is refused by the trainer, which names the last of them.
        if (Checkpoint.Last(output) is null)
        {
            OutputDirectory.SayReplaced(output, OutputKind.Run, call);
        }
    }

    /// <summary>Says that a run which was to be resumed has no step left.</summary>
    /// <param name="result">The result of the run.</param>
    /// <param name="totalSteps">The steps that the settings ask for.</param>
    public static string Finished(TrainingResult result, int totalSteps) => result.StoppedEarly
        ? $"the run was finished already: it stopped early at step {result.Steps}"
        : $"the run was finished already: {result.Steps} steps are done and {totalSteps} are asked for; raise --max-steps or " +
            "--num-epochs to train on";

    /// <summary>A sentence that names the settings that changed since the run began; null if none did, or if they are unknown.</summary>
    public static string? Differences(TrainOptions options, JsonObject settings)
    {
        if (options.ResumeFromCheckpoint is not { } checkpoint || Path.Combine(RunOf(CheckpointOf(checkpoint)),
            TrainingJob.SettingsName) is not { } file || !File.Exists(file))
        {
            return null;
        }
        using var document = JsonFile.Read(file);
        var before = JsonObject.Create(document.RootElement.Clone()) ?? [];
        string[] changed = [.. settings.Select(setting => setting.Key).Where(name => !Free.Contains(name))
            .Select(name => (Name: name, Was: before[name]?.ToString(), Is: settings[name]?.ToString()))
            .Where(setting => setting.Was != setting.Is)
            .Select(setting => $"{setting.Name} was {setting.Was ?? "its default"} and is {setting.Is ?? "its default"}")];
        return changed.Length == 0 ? null : $"the run goes on with other settings than it began with: {string.Join(", ", changed)}.";
    }

    private static string RunOf(string checkpoint) => Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpoint)))
        ?? checkpoint;
}
