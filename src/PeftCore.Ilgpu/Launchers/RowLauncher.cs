using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;
using PeftCore.Kernels.Ilgpu.Portable.Rows;
using PeftCore.Kernels.Ilgpu.Vectorized;
using PeftCore.Tensors;
using static PeftCore.Ilgpu.LaunchContext;

namespace PeftCore.Ilgpu;

/// <summary>Ops of a matrix with a row or a column, sums over rows and over columns, and copies of columns.</summary>
internal sealed class RowLauncher(LaunchContext gpu)
{
    /// <summary>Rows that one thread adds up; longer sums are cut into runs of this length.</summary>
    private const int RunOfRows = 128;

    public void AddRow(Tensor y, Tensor row)
    {
        if (CanVectorize(y) && CanVectorizeWeight(row))
        {
            DTypeSwitch.Vector(row.DType, new AddRowLaunch(gpu, y, row));
            return;
        }
        DTypeSwitch.Element(row.DType, new AddRowLaunch(gpu, y, row));
    }

    public void SumRows(Tensor x, Tensor row, bool accumulate)
    {
        using var from = gpu.StageIn(x);
        var none = gpu.None<float>();
        SumColumns<EntryTerm>(new ColumnSumArgs { X = from.View, Y = none, Mean = none, Rstd = none }, x, row, accumulate);
    }

    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) => RowWise<MultiplyRow>(x, row, y, accumulate);

    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) => RowWise<MultiplyColumn>(x, column, y, accumulate);

    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate)
    {
        using Float32Staging a = gpu.StageIn(x), b = gpu.StageIn(y);
        SumColumns<ProductTerm>(new ColumnSumArgs { X = a.View, Y = b.View, Mean = gpu.None<float>(), Rstd = gpu.None<float>() }, x, row,
            accumulate);
    }

    public void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate)
    {
        using Float32Staging a = gpu.StageIn(x), b = gpu.StageIn(y), to = gpu.StageOut(dots, accumulate);
        gpu.Run<RowDots, RowDotsArgs>(x.Shape.Rows, 1, new RowDotsArgs
        {
            X = a.View,
            Y = b.View,
            Dots = to.View,
            Columns = x.Shape.Columns,
            Accumulate = Flag(accumulate),
        });
    }

    public void CopyColumns(Tensor from, int fromColumn, Tensor to, int toColumn, int columns, bool accumulate)
    {
        int blocksPerRow = SplitKSchedule.Count(columns, gpu.Device.BlockSize);
        using Float32Staging source = gpu.StageIn(from), target = gpu.StageOut(to, true); // The other columns keep their values.
        gpu.Run<CopyColumns, CopyColumnsArgs>((long)from.Shape.Rows * blocksPerRow, 1, new CopyColumnsArgs
        {
            From = source.View,
            To = target.View,
            FromStride = from.Shape.Columns,
            FromColumn = fromColumn,
            ToStride = to.Shape.Columns,
            ToColumn = toColumn,
            Columns = columns,
            BlocksPerRow = blocksPerRow,
            Accumulate = Flag(accumulate),
        });
    }

    /// <summary>row (+)= Σ over the rows of <paramref name="like"/> of a term: in one launch for few rows, else by runs of rows whose
    /// partial sums a second launch adds up in order.</summary>
    public void SumColumns<TTerm>(ColumnSumArgs args, Tensor like, Tensor row, bool accumulate) where TTerm : struct, IColumnTerm
    {
        using var to = gpu.StageOut(row, accumulate);
        int rows = like.Shape.Rows, columns = like.Shape.Columns, runs = Math.Max(1, SplitKSchedule.Count(rows, RunOfRows));
        (args.Rows, args.Columns, args.Run) = (rows, columns, RunOfRows);
        args.BlocksPerRow = SplitKSchedule.Count(columns, gpu.Device.BlockSize);
        if (runs == 1)
        {
            (args.Sums, args.Accumulate) = (to.View, Flag(accumulate));
            gpu.Run<ColumnSums<TTerm>, ColumnSumArgs>(args.BlocksPerRow, 1, args);
            return;
        }
        using var partial = new Scratch(gpu, (long)runs * columns);
        args.Sums = partial.View;
        gpu.Run<ColumnSums<TTerm>, ColumnSumArgs>((long)runs * args.BlocksPerRow, 1, args);
        gpu.ForEach<SumPartials, SumPartialsArgs>(columns,
            new SumPartialsArgs { Partials = partial.View, C = to.View, Count = runs, Accumulate = Flag(accumulate) });
    }

    private void RowWise<TKernel>(Tensor x, Tensor factor, Tensor y, bool accumulate)
        where TKernel : struct, IKernel<RowWiseArgs<float>>
    {
        int columns = x.Shape.Columns, blocksPerRow = SplitKSchedule.Count(columns, gpu.Device.BlockSize);
        using Float32Staging from = gpu.StageIn(x), by = gpu.StageIn(factor), to = gpu.StageOut(y, accumulate);
        gpu.Run<TKernel, RowWiseArgs<float>>((long)x.Shape.Rows * blocksPerRow, 1, new RowWiseArgs<float>
        {
            X = from.View,
            Y = to.View,
            Factor = by.View,
            Columns = columns,
            BlocksPerRow = blocksPerRow,
            Accumulate = Flag(accumulate),
        });
    }

    private readonly record struct AddRowLaunch(LaunchContext Gpu, Tensor Y, Tensor Row) : IElementLaunch, IVectorLaunch
    {
        public void WithElement<TRow>() where TRow : unmanaged, IElement<TRow>
        {
            int columns = Y.Shape.Columns, blocksPerRow = SplitKSchedule.Count(columns, Gpu.Device.BlockSize);
            using var to = Gpu.StageOut(Y, true);
            Gpu.Run<AddRow<TRow>, RowWiseArgs<TRow>>((long)Y.Shape.Rows * blocksPerRow, 1, new RowWiseArgs<TRow>
            {
                X = Gpu.None<float>(),
                Y = to.View,
                Factor = Gpu.View<TRow>(Row),
                Columns = columns,
                BlocksPerRow = blocksPerRow,
            });
        }

        public void WithVector<TRow>() where TRow : unmanaged, IVector8<TRow>
        {
            int vectors = Y.Shape.Columns / 8, blocksPerRow = SplitKSchedule.Count(vectors, Gpu.Device.BlockSize);
            Gpu.Run<AddRowBf16x8<TRow>, AddRowBf16x8Args<TRow>>((long)Y.Shape.Rows * blocksPerRow, 1, new AddRowBf16x8Args<TRow>
            {
                Y = Gpu.Bf16x8(Y), Row = Gpu.Vectors<TRow>(Row), Vectors = vectors, BlocksPerRow = blocksPerRow,
            });
        }
    }
}
