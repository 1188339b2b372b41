using System.Text.Json;
using PeftCore.Lab.Engine;

namespace PeftCore.Lab.Http;

/// <summary>The JSON of what is seen inside a model.</summary>
internal static class ViewJson
{
    /// <summary>ΔW of a layer; null for one that the adapter does not change.</summary>
    public static void Write(Utf8JsonWriter writer, DeltaView? view, int step)
    {
        writer.WriteStartObject();
        writer.WriteNumber("step", step);
        writer.WriteBoolean("changes", view is not null);
        if (view is not null)
        {
            writer.WriteNumber("rows", view.Rows);
            writer.WriteNumber("columns", view.Columns);
            writer.WriteNumber("norm", view.Norm);
            writer.WriteNumber("numerical_rank", view.NumericalRank);
            writer.WriteNumber("effective_rank", view.EffectiveRank);
            StateJson.WriteNumbers(writer, "singular_values", view.SingularValues);
            WriteGrid(writer, "cells", view.Cells);
        }
        writer.WriteEndObject();
    }

    /// <summary>Attention of a head.</summary>
    public static void Write(Utf8JsonWriter writer, AttentionView view, int layer, int head, int step)
    {
        writer.WriteStartObject();
        writer.WriteNumber("step", step);
        writer.WriteNumber("layer", layer);
        writer.WriteNumber("head", head);
        StateJson.Write(writer, "queries", view.Queries, (item, text) => item.WriteStringValue(text));
        StateJson.Write(writer, "keys", view.Keys, (item, text) => item.WriteStringValue(text));
        WriteGrid(writer, "cells", view.Cells);
        writer.WriteEndObject();
    }

    /// <summary>What a step saved, without the numbers.</summary>
    public static void Write(Utf8JsonWriter writer, SavedTensors saved)
    {
        writer.WriteStartObject();
        writer.WriteNumber("step", saved.Step);
        writer.WriteNumber("bytes", saved.Bytes);
        StateJson.Write(writer, "tensors", saved.All.Index(), (item, each) =>
        {
            item.WriteStartObject();
            item.WriteNumber("index", each.Index);
            Describe(item, each.Item);
            item.WriteEndObject();
        });
        writer.WriteEndObject();
    }

    /// <summary>One saved tensor: blocks of its numbers, and what they amount to.</summary>
    public static void Write(Utf8JsonWriter writer, SavedTensor tensor, int step)
    {
        var (values, columns) = (tensor.Values, tensor.Columns);
        writer.WriteStartObject();
        writer.WriteNumber("step", step);
        Describe(writer, tensor);
        writer.WriteNumber("min", values.Min());
        writer.WriteNumber("max", values.Max());
        writer.WriteNumber("mean", values.Average());
        writer.WriteNumber("rms", Math.Sqrt(values.Average(value => (double)value * value)));
        WriteGrid(writer, "cells", BlockSizes.Of(tensor.Rows, columns, (i, j) => values[(long)i * columns + j]));
        writer.WriteEndObject();
    }

    private static void Describe(Utf8JsonWriter writer, SavedTensor tensor)
    {
        writer.WriteString("op", tensor.Op.Name);
        writer.WriteString("module", tensor.Op.Module);
        writer.WriteString("name", tensor.Traced.Name);
        writer.WriteString("reason", tensor.Traced.Reason);
        writer.WriteNumber("bytes", tensor.Traced.Bytes);
        writer.WriteBoolean("drawn", tensor.Values.Length > 0);
        writer.WriteStartArray("shape");
        foreach (int size in tensor.Traced.Shape)
        {
            writer.WriteNumberValue(size);
        }
        writer.WriteEndArray();
    }

    private static void WriteGrid(Utf8JsonWriter writer, string name, double[][] rows) =>
        StateJson.Write(writer, name, rows, (row, values) =>
        {
            row.WriteStartArray();
            Array.ForEach(values, row.WriteNumberValue);
            row.WriteEndArray();
        });
}
