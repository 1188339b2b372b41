using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Lab.Engine;

namespace PeftCore.Lab.Exports;

/// <summary>The settings of a run for <c>peftcore train -c FILE</c>, which repeats it with the same numbers.</summary>
internal static class SettingsText
{
    private static readonly JsonSerializerOptions Style = new()
    {
        WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static byte[] Of(LabOptions options, LabRun run)
    {
        var (settings, fields) = (run.Settings, run.Method.Fields(run.Settings, model: null));
        var json = new JsonObject
        {
            ["model"] = options.Model,
            ["data"] = options.Data,
            ["method"] = run.Method.Name,
        };
        if (fields.Count > 0)
        {
            json["method_options"] = fields.ToJsonString();
        }
        json["learning_rate"] = settings.LearningRate;
        json["lr_scheduler_type"] = "constant";
        json["batch_size"] = settings.BatchSize;
        json["max_seq_length"] = LabData.MaxSeqLength;
        json["max_steps"] = Math.Max(1, run.Steps);
        json["eval_steps"] = settings.EvalSteps;
        json["logging_steps"] = 1;
        json["seed"] = settings.Seed;
        return Encoding.UTF8.GetBytes(json.ToJsonString(Style) + "\n");
    }
}
