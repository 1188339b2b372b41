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

    private static void WriteGrid(Utf8JsonWriter writer, string name, double[][] rows) => StateJson.Write(writer, name, rows, (row, values) =>
    {
        row.WriteStartArray();
        Array.ForEach(values, row.WriteNumberValue);
        row.WriteEndArray();
    });
}
