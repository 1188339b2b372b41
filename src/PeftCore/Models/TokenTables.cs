using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Resizes the two tables with one row per token: the embedding and the head.</summary>
internal static class TokenTables
{
    public static void Resize(TransformerModel model, int rows)
    {
        var (embedding, head) = (model.TokenEmbedding, model.VocabularyHead);
        int before = model.VocabularySize;
        if (rows < 1)
        {
            throw new BadInputException($"the token tables cannot have {rows} rows; a vocabulary has at least one token");
        }
        if (embedding.Hook is not null || head?.Hook is not null)
        {
            throw new BadInputException(
                "the token tables cannot be resized while adapters change them; resize the model before adapters are attached");
        }
        if (rows == before)
        {
            return;
        }
        bool tied = model.IsTied;
        var table = Resized(embedding.Weight, rows);
        var headTable = tied || head is null ? table : Resized(head.Weight, rows);
        embedding.Exchange("weight", table).Dispose();
        var old = head?.Exchange("weight", headTable);
        if (!tied)
        {
            old?.Dispose();
        }
        model.ResizedFrom ??= before;
        model.OnTokensResized();
    }

    private static Parameter Resized(Parameter table, int rows)
    {
        int columns = table.Shape.Columns, kept = Math.Min(rows, table.Shape[0]);
        var backend = table.Value.Backend;
        var resized = new Parameter([rows, columns]);
        var value = resized.Materialize(backend, table.Value.DType);
        backend.Copy(table.Value.View([kept, columns], 0), value.View([kept, columns], 0));
        if (rows > kept && !backend.IsMeta)
        {
            using var scope = new TensorScope();
            float[] mean = Mean(table.Value);
            var row = backend.From(mean, [1, columns]);
            for (int i = kept; i < rows; i++)
            {
                backend.Cast(row, value.View([1, columns], (long)i * columns));
            }
        }
        return resized;
    }

    /// <summary>The mean row of a table, a few rows at a time.</summary>
    private static float[] Mean(Tensor table)
    {
        int columns = table.Shape.Columns;
        double[] sums = new double[columns];
        foreach (var (_, rows) in table.Chunks(Math.Max(1, ChunkedTransfer.Elements / columns) * columns))
        {
            float[] values = rows.ToFloats();
            for (int i = 0; i < values.Length; i++)
            {
                sums[i % columns] += values[i];
            }
        }
        return Array.ConvertAll(sums, sum => (float)(sum / table.Shape[0]));
    }
}
