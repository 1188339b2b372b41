using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using PeftCore.Lab.Engine;

namespace PeftCore.Lab.Exports;

/// <summary>A run as a file-based program of the public API, with each stage explained.</summary>
internal static class LessonText
{
    private const string Template = "Data/lesson.txt";

    public static byte[] Of(LabOptions options, LabRun run)
    {
        var (settings, method) = (run.Settings, run.Method);
        var text = new StringBuilder(Resources.Text(Template));
        foreach (var (name, value) in new (string, string)[]
        {
            ("version", options.Version),
            ("method", method.Name),
            ("steps", $"{Math.Max(1, run.Steps)}"),
            ("file", $"{method.Name}.cs"),
            ("model", Literal(options.Model)),
            ("data", Literal(options.Data)),
            ("learning_rate", settings.LearningRate.ToString("R", CultureInfo.InvariantCulture)),
            ("seed", $"{settings.Seed}"),
            ("prompt", Literal(run.Prompt)),
            ("max_seq_length", $"{LabData.MaxSeqLength}"),
            ("selection_batches", $"{LabData.SelectionBatches}"),
            ("batch_size", $"{settings.BatchSize}"),
            ("fields", Literal(method.Fields(settings, model: null).ToJsonString())),
            ("method_name", Literal(method.Name)),
            ("module", Literal(run.Modules.FirstOrDefault(path => settings.Targets.Any(target =>
                path.EndsWith("." + target, StringComparison.Ordinal))) ?? run.Modules[0])),
        })
        {
            text.Replace("{{" + name + "}}", value);
        }
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>A C# string literal: JSON's escapes are C#'s too.</summary>
    private static string Literal(string text) => $"\"{JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";
}
