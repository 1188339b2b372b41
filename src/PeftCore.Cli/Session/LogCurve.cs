using System.Text.Json;
using PeftCore.Cli.Output;
using PeftCore.Io;

namespace PeftCore.Cli.Session;

/// <summary>Draws the losses of a run's log, which includes the steps before a resumption.</summary>
internal static class LogCurve
{
    public const string LogName = "training_log.jsonl";

    private const string CurveName = "training_loss.svg";

    public static void Draw(string directory)
    {
        List<CurvePoint> train = [], eval = [];
        foreach (string line in File.ReadLines(Path.Combine(directory, LogName)))
        {
            if (!line.EndsWith('}'))
            {
                continue; // An incomplete row, as a full disk leaves it.
            }
            using var row = JsonDocument.Parse(line);
            Add(row.RootElement, "loss", train);
            Add(row.RootElement, "eval_loss", eval);
        }
        AtomicFile.WriteAllText(Path.Combine(directory, CurveName), LossCurve.Svg(train, eval));
    }

    private static void Add(JsonElement row, string name, List<CurvePoint> points)
    {
        if (row.TryGetProperty(name, out var loss) && loss.ValueKind == JsonValueKind.Number)
        {
            points.Add(new CurvePoint(row.GetProperty("step").GetInt32(), loss.GetDouble()));
        }
    }
}
