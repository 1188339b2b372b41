using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <summary>Rows one thread adds up; longer sums are cut into runs of this.</summary>
    private const int RunOfRows = 128;

    /// <inheritdoc/>
    public void MatMul(Tensor a, bool transposeA, Tensor b, bool transposeB, Tensor c, float alpha = 1, bool accumulate = false)
    {
        if (c.Count == 0)
        {
            return;
        }
        var product = new Product(a, transposeA, b, transposeB, c, alpha, accumulate);
        Multiplies(a, transposeA, c);
        if (TryTensorCores(product))
        {
            return;
        }
        using var sum = StageOut(c, accumulate);
        product = product with { C = sum.Tensor };
        switch (a.DType)
        {
            case DType.F32: Multiply<Float32>(product); break;
            case DType.BF16: Multiply<BFloat16>(product); break;
            default: Multiply<Float16>(product); break;
        }
    }

    /// <inheritdoc/>
    public void MatMulSum(ReadOnlySpan<GemmOperands> terms, Tensor c, Tensor? bias = null, bool accumulate = false)
    {
        Multiplies(terms, c);
        if (c.Count == 0 || TryProducts(terms, c, 1, accumulate, bias))
        {
            return;
        }
        OneByOne(terms, c, 1, accumulate, bias);
    }

    /// <summary>A sum that the tensor cores do not take, rounded once.</summary>
    private void OneByOne(ReadOnlySpan<GemmOperands> terms, Tensor c, float alpha, bool accumulate, Tensor? bias)
    {
        using var sum = StageOut(c, accumulate);
        foreach (var (a, transposeA, b, transposeB) in terms)
        {
            MatMul(a, transposeA, b, transposeB, sum.Tensor, alpha, accumulate);
            accumulate = true;
        }
        if (bias is not null)
        {
            AddRow(sum.Tensor, bias);
        }
    }

    /// <inheritdoc/>
    public void MatMulGroup(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        int each = terms.Length / results.Length;
        for (int first = 0; first < results.Length;)
        {
            // As many at once as a launch takes.
            int count = Math.Min(results.Length - first, Math.Min(MostResults, Math.Max(1, MostTerms / each)));
            var some = terms.Slice(first * each, count * each);
            GroupOrOneByOne(some, results.Slice(first, count), alpha, accumulate, biases.Slice(first, count));
            first += count;
        }
    }

    private void GroupOrOneByOne(ReadOnlySpan<GemmOperands> terms, ReadOnlySpan<Tensor> results, float alpha, bool accumulate,
        ReadOnlySpan<Tensor?> biases)
    {
        int each = terms.Length / results.Length;
        Multiplies(terms, results);
        if (results.Length > 1 && TryGrouped(terms, results, alpha, accumulate, biases))
        {
            return;
        }
        for (int i = 0; i < results.Length; i++)
        {
            var own = terms.Slice(i * each, each);
            if (TryProducts(own, results[i], alpha, accumulate, biases[i]))
            {
                continue;
            }
            OneByOne(own, results[i], alpha, accumulate, biases[i]);
        }
    }

    /// <inheritdoc/>
    public void AddRow(Tensor y, Tensor row)
    {
        if (CanVectorize(y) && CanVectorizeWeight(row))
        {
            if (row.DType == DType.BF16)
            {
                AddRowBf16x8<Bf16x8>(y, row);
            }
            else
            {
                AddRowBf16x8<Float32x8>(y, row);
            }
            return;
        }
        switch (row.DType)
        {
            case DType.F32: AddRow<Float32>(y, row); break;
            case DType.BF16: AddRow<BFloat16>(y, row); break;
            default: AddRow<Float16>(y, row); break;
        }
    }

    /// <inheritdoc/>
    public void SumRows(Tensor x, Tensor row, bool accumulate)
    {
        using var from = StageIn(x);
        SumColumns<EntryTerm>(new ColumnSumArgs { X = from.View, Y = None<float>(), Mean = None<float>(), Rstd = None<float>() }, x, row,
            accumulate);
    }

    /// <inheritdoc/>
    public void Gather(Tensor ids, Tensor table, Tensor y)
    {
        if (CanVectorize(y) && CanVectorizeWeight(table))
        {
            if (table.DType == DType.BF16)
            {
                GatherBf16x8<Bf16x8>(ids, table, y);
            }
            else
            {
                GatherBf16x8<Float32x8>(ids, table, y);
            }
            return;
        }
        switch (table.DType)
        {
            case DType.F32: Gather<Float32>(ids, table, y); break;
            case DType.BF16: Gather<BFloat16>(ids, table, y); break;
            default: Gather<Float16>(ids, table, y); break;
        }
    }

    /// <inheritdoc/>
    public void ScatterAdd(Tensor ids, Tensor dy, Tensor table)
    {
        using Float32Staging from = StageIn(dy), to = StageOut(table, true);
        _device.ForEach<ScatterAdd, ScatterAddArgs>(table.Shape.Columns, new ScatterAddArgs
        {
            Ids = I32(ids),
            DOut = from.View,
            Table = to.View,
            Count = (int)ids.Count,
            Columns = table.Shape.Columns,
            TableRows = table.Shape.Rows,
        });
    }

    /// <inheritdoc/>
    public void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate)
    {
        int strips = SplitKSchedule.Count(columns, _device.BlockSize);
        using Float32Staging source = StageIn(from), target = StageOut(to, true); // The other columns stay what they are.
        _device.Run<CopyColumns, CopyColumnsArgs>(from.Shape.Rows * strips, 1, new CopyColumnsArgs
        {
            From = source.View,
            To = target.View,
            FromStride = from.Shape.Columns,
            FromColumn = fromColumn,
            ToStride = to.Shape.Columns,
            ToColumn = toColumn,
            Columns = columns,
            Strips = strips,
            Accumulate = Flag(accumulate),
        });
    }

    private void Multiplies(Tensor a, bool transposeA, Tensor c) =>
        _device.Work = new Work(2.0 * c.Count * (transposeA ? a.Shape.Rows : a.Shape.Columns), 0);

    private void Multiplies(ReadOnlySpan<GemmOperands> terms, params ReadOnlySpan<Tensor> results)
    {
        double flops = 0;
        for (int i = 0; i < terms.Length; i++)
        {
            flops += 2.0 * results[i * results.Length / terms.Length].Count * (terms[i].TransposeA ? terms[i].A.Shape.Rows
                : terms[i].A.Shape.Columns);
        }
        _device.Work = new Work(flops, 0);
    }

    private void AddRowBf16x8<TRow>(Tensor y, Tensor row) where TRow : unmanaged, IVector8<TRow>
    {
        int vectors = y.Shape.Columns / 8, strips = SplitKSchedule.Count(vectors, _device.BlockSize);
        _device.Run<AddRowBf16x8<TRow>, AddRowBf16x8Args<TRow>>(y.Shape.Rows * strips, 1,
            new AddRowBf16x8Args<TRow> { Y = Bf16x8View(y), Row = VectorView<TRow>(row), Vectors = vectors, Strips = strips });
    }

    private void GatherBf16x8<TTable>(Tensor ids, Tensor table, Tensor y) where TTable : unmanaged, IVector8<TTable>
    {
        int vectors = y.Shape.Columns / 8, strips = SplitKSchedule.Count(vectors, _device.BlockSize);
        _device.Run<GatherBf16x8<TTable>, GatherBf16x8Args<TTable>>((int)ids.Count * strips, 1, new GatherBf16x8Args<TTable>
        {
            Ids = I32(ids),
            Table = VectorView<TTable>(table),
            Y = Bf16x8View(y),
            Vectors = vectors,
            Strips = strips,
            TableRows = table.Shape.Rows,
        });
    }

    private void AddRow<TRow>(Tensor y, Tensor row) where TRow : unmanaged, IElement<TRow>
    {
        int columns = y.Shape.Columns, strips = SplitKSchedule.Count(columns, _device.BlockSize);
        using var to = StageOut(y, true);
        _device.Run<AddRow<TRow>, RowWiseArgs<TRow>>(y.Shape.Rows * strips, 1, new RowWiseArgs<TRow>
        {
            X = None<float>(),
            Y = to.View,
            Factor = View<TRow>(row),
            Columns = columns,
            Strips = strips,
        });
    }

    private void Gather<TTable>(Tensor ids, Tensor table, Tensor y) where TTable : unmanaged, IElement<TTable>
    {
        int columns = table.Shape.Columns, strips = SplitKSchedule.Count(columns, _device.BlockSize);
        using var to = StageOut(y, false);
        _device.Run<Gather<TTable>, GatherArgs<TTable>>((int)ids.Count * strips, 1, new GatherArgs<TTable>
        {
            Ids = I32(ids),
            Table = View<TTable>(table),
            Y = to.View,
            Columns = columns,
            TableRows = table.Shape.Rows,
            Strips = strips,
        });
    }

    /// <summary>row (+)= Σ over the rows of <paramref name="like"/>: in one launch if they are few, else by runs that a second launch adds
    /// up.</summary>
    private void SumColumns<TTerm>(ColumnSumArgs args, Tensor like, Tensor row, bool accumulate) where TTerm : struct, IColumnTerm
    {
        using var to = StageOut(row, accumulate);
        int rows = like.Shape.Rows, columns = like.Shape.Columns, runs = Math.Max(1, SplitKSchedule.Count(rows, RunOfRows));
        (args.Rows, args.Columns, args.Strips, args.Run) = (rows, columns, SplitKSchedule.Count(columns, _device.BlockSize), RunOfRows);
        if (runs == 1)
        {
            (args.Sums, args.Accumulate) = (to.View, Flag(accumulate));
            _device.Run<ColumnSums<TTerm>, ColumnSumArgs>(args.Strips, 1, args);
            return;
        }
        using var partial = new Scratch(this, (long)runs * columns);
        args.Sums = partial.View;
        _device.Run<ColumnSums<TTerm>, ColumnSumArgs>(runs * args.Strips, 1, args);
        _device.ForEach<SumPartials, SumPartialsArgs>(columns,
            new SumPartialsArgs { Partials = partial.View, C = to.View, Count = runs, Accumulate = Flag(accumulate) });
    }
}
