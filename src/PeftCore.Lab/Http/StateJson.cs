using System.Text.Json;
using PeftCore.Lab.Engine;
using PeftCore.Models;

namespace PeftCore.Lab.Http;

/// <summary>The JSON of runs and of what the lab offers.</summary>
internal static class StateJson
{
    /// <summary>Methods, modules, prompts and limits: what the page's controls show.</summary>
    public static void WriteLab(Utf8JsonWriter writer, LabEngine engine, TransformerModel model, IReadOnlyCollection<string> targets)
    {
        writer.WriteStartObject();
        writer.WriteString("model", $"{model.ModelType}, {model.LayerCount} layers of width {model.HiddenSize}");
        writer.WriteNumber("layers", model.LayerCount);
        writer.WriteNumber("heads", model.HeadCount);
        writer.WriteNumber("max_size", LabMethod.MostSize);
        writer.WriteNumber("max_steps", LabRequest.MostSteps);
        Write(writer, "targets", targets, (item, text) => item.WriteStringValue(text));
        Write(writer, "modules", LabRun.ModulesOf(model), (item, path) => item.WriteStringValue(path));
        Write(writer, "prompts", engine.Data.Prompts, (item, text) => item.WriteStringValue(text));
        Write(writer, "methods", engine.Methods, (item, method) =>
        {
            item.WriteStartObject();
            item.WriteString("name", method.Name);
            item.WriteBoolean("targets", method.HasTargets);
            if (method.Size is { } size)
            {
                item.WriteString("size_field", size.Name);
                item.WriteString("size_help", size.Help);
                item.WriteNumber("size", method.UsualSize);
            }
            if (method.Alpha is { } alpha)
            {
                item.WriteString("alpha_help", alpha.Help);
                item.WriteNumber("alpha", method.UsualAlpha);
            }
            item.WriteEndObject();
        });
        WriteSettings(writer, "defaults", new LabSettings());
        writer.WriteEndObject();
    }

    /// <summary>A run's state, with the records and evaluations that its page lacks.</summary>
    /// <param name="writer">Receives an object.</param>
    /// <param name="state">The run.</param>
    /// <param name="added">What the page lacks.</param>
    /// <param name="records">Records that it has.</param>
    /// <param name="evaluations">Evaluations that it has.</param>
    public static void WriteRun(Utf8JsonWriter writer, RunState state, (StepRecord[] Records, LabEvaluation[] Evaluations) added,
        int records, int evaluations)
    {
        writer.WriteStartObject();
        writer.WriteString("run", state.Name);
        writer.WriteNumber("id", state.Id);
        writer.WriteString("state", state.Problem is not null ? "failed" : state.Left > 0 ? "training" : "paused");
        writer.WriteString("problem", state.Problem);
        writer.WriteNumber("step", records + added.Records.Length);
        writer.WriteNumber("left", state.Left);
        writer.WriteString("summary", state.Summary);
        writer.WriteString("prompt", state.Prompt);
        WriteSettings(writer, "settings", state.Settings);
        writer.WriteNumber("plan", state.Plan.PeakBytes);
        writer.WriteString("plan_place", state.Plan.PeakPlace);
        Write(writer, "memory", state.Memory, (item, memory) =>
        {
            item.WriteStartObject();
            item.WriteString("kind", memory.Kind.ToString().ToLowerInvariant());
            item.WriteNumber("bytes", memory.Bytes);
            item.WriteNumber("planned", state.Plan.AtPeak.GetValueOrDefault(memory.Kind));
            item.WriteEndObject();
        });
        Write(writer, "layers", state.LayerNames, (item, name) => item.WriteStringValue(name));
        writer.WriteNumber("from", records);
        Write(writer, "records", added.Records, Write);
        writer.WriteNumber("evaluations_from", evaluations);
        Write(writer, "evaluations", added.Evaluations, Write);
        writer.WriteEndObject();
    }

    public static void WriteNumbers(Utf8JsonWriter writer, string name, IEnumerable<double> values) =>
        Write(writer, name, values, (item, value) => item.WriteNumberValue(value));

    /// <summary>A list.</summary>
    public static void Write<T>(Utf8JsonWriter writer, string name, IEnumerable<T> items, Action<Utf8JsonWriter, T> write)
    {
        writer.WriteStartArray(name);
        foreach (var item in items)
        {
            write(writer, item);
        }
        writer.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter writer, StepRecord record)
    {
        writer.WriteStartObject();
        writer.WriteNumber("step", record.Step);
        writer.WriteNumber("loss", record.Loss);
        writer.WriteNumber("tok_s", record.TokensPerSecond);
        writer.WriteNumber("grad_norm", record.GradientNorm);
        WriteNumbers(writer, "layer_norms", record.LayerNorms);
        writer.WriteNumber("peak", record.PeakBytes);
        writer.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter writer, LabEvaluation evaluation)
    {
        writer.WriteStartObject();
        writer.WriteNumber("step", evaluation.Step);
        writer.WriteNumber("held", evaluation.Held);
        writer.WriteNumber("base", evaluation.Base);
        writer.WriteString("text", evaluation.Text);
        writer.WriteEndObject();
    }

    private static void WriteSettings(Utf8JsonWriter writer, string name, LabSettings settings)
    {
        writer.WriteStartObject(name);
        writer.WriteString("method", settings.Method);
        WriteOptional(writer, "size", settings.Size);
        WriteOptional(writer, "alpha", settings.Alpha);
        Write(writer, "targets", settings.Targets, (item, text) => item.WriteStringValue(text));
        writer.WriteNumber("learning_rate", settings.LearningRate);
        writer.WriteNumber("batch_size", settings.BatchSize);
        writer.WriteNumber("seed", settings.Seed);
        writer.WriteNumber("eval_steps", settings.EvalSteps);
        writer.WriteString("prompt", settings.Prompt);
        writer.WriteEndObject();
    }

    private static void WriteOptional(Utf8JsonWriter writer, string name, double? value)
    {
        if (value is { } number)
        {
            writer.WriteNumber(name, number);
        }
        else
        {
            writer.WriteNull(name);
        }
    }
}
