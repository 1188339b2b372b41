using PeftCore.Lab.Engine;

namespace PeftCore.Lab.Exports;

/// <summary>A file that the page downloads.</summary>
/// <param name="Name">Its name, made by the lab.</param>
/// <param name="Type">The media type.</param>
/// <param name="Bytes">The content.</param>
internal sealed record LabFile(string Name, string Type, byte[] Bytes);

/// <summary>A run as files: the adapter, the settings of <c>peftcore train</c>, or a program that repeats the run. They are sent to the
/// page; the lab writes nothing to disk that stays.</summary>
internal sealed class LabExports(LabOptions options)
{
    public const string Adapter = "adapter", Settings = "settings", Lesson = "lesson";

    public static IReadOnlyList<string> Kinds { get; } = [Adapter, Settings, Lesson];

    /// <summary>Makes one file.</summary>
    public LabFile Make(string kind, LabRun run)
    {
        string name = $"{run.Method.Name}-{run.Steps}-steps";
        return kind switch
        {
            Adapter => new LabFile($"{name}.zip", "application/zip", AdapterArchive.Of(run.Model)),
            Settings => new LabFile($"{name}.json", "application/json", SettingsText.Of(options, run)),
            _ => new LabFile($"{name}.cs", "text/plain; charset=utf-8", LessonText.Of(options, run)),
        };
    }
}
