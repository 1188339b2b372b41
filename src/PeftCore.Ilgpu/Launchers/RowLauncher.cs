using ILGPU;
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
        gpu.Written(y);
    }

    public void SumRows(Tensor x, Tensor row, bool accumulate) => SumColumns(ColumnTerm.Entry, x, x, null, null, row, accumulate);

    public void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate) => Multiply(x, row, y, accumulate, byRow: true);

    public void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate) => Multiply(x, column, y, accumulate, byRow: false);

    public void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate) =>
        SumColumns(ColumnTerm.Product, x, y, null, null, row, accumulate);

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
        if (CanVectorize(from, to) && (fromColumn | toColumn | columns) % 8 == 0)
        {
            gpu.ForEach<CopyColumnsBf16x8, CopyColumnsBf16x8Args>((long)from.Shape.Rows * columns / 8, new CopyColumnsBf16x8Args
            {
                From = gpu.Bf16x8(from),
                To = gpu.Bf16x8(to),
                FromStride = from.Shape.Columns / 8,
                FromColumn = fromColumn / 8,
                ToStride = to.Shape.Columns / 8,
                ToColumn = toColumn / 8,
                Vectors = columns / 8,
                Rows = from.Shape.Rows,
                Accumulate = Flag(accumulate),
            });
            gpu.Written(to);
            return;
        }
        if (HaveOneDType(from, to))
        {
            DTypeSwitch.Element(from.DType, new CopyLaunch(gpu, from, fromColumn, to, toColumn, columns, accumulate));
            gpu.Written(to);
            return;
        }
        using Float32Staging source = gpu.StageIn(from), target = gpu.StageOut(to, true); // The other columns keep their values.
        CopyColumns(source.Tensor, fromColumn, target.Tensor, toColumn, columns, accumulate);
    }

    /// <summary>row (+)= Σ over the rows of a term of x and y: in one launch for few rows, else by runs of rows whose partial sums a second
    /// launch adds up in order.</summary>
    public void SumColumns(ColumnTerm term, Tensor x, Tensor y, Tensor? mean, Tensor? rstd, Tensor row, bool accumulate)
    {
        using var to = gpu.StageOut(row, accumulate);
        if (HaveOneDType(x, y))
        {
            DTypeSwitch.Element(x.DType, new SumLaunch(gpu, term, x, y, mean, rstd, to.View, accumulate));
            return;
        }
        using Float32Staging left = gpu.StageIn(x), right = gpu.StageIn(y);
        DTypeSwitch.Element(DType.F32, new SumLaunch(gpu, term, left.Tensor, right.Tensor, mean, rstd, to.View, accumulate));
    }

    private void Multiply(Tensor x, Tensor factor, Tensor y, bool accumulate, bool byRow)
    {
        using var by = gpu.StageIn(factor);
        if (HaveOneDType(x, y))
        {
            DTypeSwitch.Element(x.DType, new MultiplyLaunch(gpu, x, by.View, y, accumulate, byRow));
            gpu.Written(y);
            return;
        }
        using Float32Staging from = gpu.StageIn(x), to = gpu.StageOut(y, accumulate);
        DTypeSwitch.Element(DType.F32, new MultiplyLaunch(gpu, from.Tensor, by.View, to.Tensor, accumulate, byRow));
    }

    // Kernels exist for F32 and BF16, what activations are; others are staged.
    private static bool HaveOneDType(Tensor x, Tensor y) => x.DType == y.DType && x.DType is DType.F32 or DType.BF16;

    private readonly record struct CopyLaunch(LaunchContext Gpu, Tensor From, int FromColumn, Tensor To, int ToColumn, int Columns,
        bool Accumulate) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            int blocksPerRow = SplitKSchedule.Count(Columns, Gpu.Device.BlockSize);
            Gpu.Run<CopyColumns<TElement>, CopyColumnsArgs<TElement>>((long)From.Shape.Rows * blocksPerRow, 1, new CopyColumnsArgs<TElement>
            {
                From = Gpu.View<TElement>(From),
                To = Gpu.View<TElement>(To),
                FromStride = From.Shape.Columns,
                FromColumn = FromColumn,
                ToStride = To.Shape.Columns,
                ToColumn = ToColumn,
                Columns = Columns,
                BlocksPerRow = blocksPerRow,
                Accumulate = Flag(Accumulate),
            });
        }
    }

    private readonly record struct SumLaunch(LaunchContext Gpu, ColumnTerm Term, Tensor X, Tensor Y, Tensor? Mean, Tensor? Rstd,
        ArrayView<float> Row, bool Accumulate) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            int rows = X.Shape.Rows, columns = X.Shape.Columns, runs = Math.Max(1, SplitKSchedule.Count(rows, RunOfRows));
            var args = new ColumnSumArgs<TElement>
            {
                X = Gpu.View<TElement>(X),
                Y = Gpu.View<TElement>(Y),
                Mean = Gpu.F32OrNone(Mean),
                Rstd = Gpu.F32OrNone(Rstd),
                Rows = rows,
                Columns = columns,
                Run = RunOfRows,
                BlocksPerRow = SplitKSchedule.Count(columns, Gpu.Device.BlockSize),
            };
            if (runs == 1)
            {
                (args.Sums, args.Accumulate) = (Row, Flag(Accumulate));
                Run(args.BlocksPerRow, args);
                return;
            }
            using var partial = new Scratch(Gpu, (long)runs * columns);
            args.Sums = partial.View;
            Run((long)runs * args.BlocksPerRow, args);
            Gpu.ForEach<SumPartials, SumPartialsArgs>(columns,
                new SumPartialsArgs { Partials = partial.View, C = Row, Count = runs, Accumulate = Flag(Accumulate) });
        }

        private void Run<TElement>(long blocks, ColumnSumArgs<TElement> args) where TElement : unmanaged, IElement<TElement>
        {
            switch (Term)
            {
                case ColumnTerm.Entry: Gpu.Run<ColumnSums<TElement, EntryTerm<TElement>>, ColumnSumArgs<TElement>>(blocks, 1, args); break;
                case ColumnTerm.Product:
                    Gpu.Run<ColumnSums<TElement, ProductTerm<TElement>>, ColumnSumArgs<TElement>>(blocks, 1, args);
                    break;
                case ColumnTerm.Rms: Gpu.Run<ColumnSums<TElement, RmsTerm<TElement>>, ColumnSumArgs<TElement>>(blocks, 1, args); break;
                default: Gpu.Run<ColumnSums<TElement, LayerTerm<TElement>>, ColumnSumArgs<TElement>>(blocks, 1, args); break;
            }
        }
    }

    private readonly record struct MultiplyLaunch(LaunchContext Gpu, Tensor X, ArrayView<float> Factor, Tensor Y, bool Accumulate,
        bool ByRow) : IElementLaunch
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            int columns = X.Shape.Columns, blocksPerRow = SplitKSchedule.Count(columns, Gpu.Device.BlockSize);
            long blocks = (long)X.Shape.Rows * blocksPerRow;
            var args = new RowWiseArgs<TElement, float>
            {
                X = Gpu.View<TElement>(X),
                Y = Gpu.View<TElement>(Y),
                Factor = Factor,
                Columns = columns,
                BlocksPerRow = blocksPerRow,
                Accumulate = Flag(Accumulate),
            };
            if (ByRow)
            {
                Gpu.Run<MultiplyRow<TElement>, RowWiseArgs<TElement, float>>(blocks, 1, args);
            }
            else
            {
                Gpu.Run<MultiplyColumn<TElement>, RowWiseArgs<TElement, float>>(blocks, 1, args);
            }
        }
    }

    private readonly record struct AddRowLaunch(LaunchContext Gpu, Tensor Y, Tensor Row) : IElementLaunch, IVectorLaunch
    {
        public void WithElement<TRow>() where TRow : unmanaged, IElement<TRow> =>
            DTypeSwitch.Element(Y.DType, new AddRowLaunch<TRow>(Gpu, Y, Row));

        public void WithVector<TRow>() where TRow : unmanaged, IVector8<TRow>
        {
            int vectors = Y.Shape.Columns / 8, blocksPerRow = SplitKSchedule.Count(vectors, Gpu.Device.BlockSize);
            Gpu.Run<AddRowBf16x8<TRow>, AddRowBf16x8Args<TRow>>((long)Y.Shape.Rows * blocksPerRow, 1, new AddRowBf16x8Args<TRow>
            {
                Y = Gpu.Bf16x8(Y), Row = Gpu.Vectors<TRow>(Row), Vectors = vectors, BlocksPerRow = blocksPerRow,
            });
        }
    }

    private readonly record struct AddRowLaunch<TRow>(LaunchContext Gpu, Tensor Y, Tensor Row) : IElementLaunch
        where TRow : unmanaged, IElement<TRow>
    {
        public void WithElement<TElement>() where TElement : unmanaged, IElement<TElement>
        {
            int columns = Y.Shape.Columns, blocksPerRow = SplitKSchedule.Count(columns, Gpu.Device.BlockSize);
            Gpu.Run<AddRow<TElement, TRow>, RowWiseArgs<TElement, TRow>>((long)Y.Shape.Rows * blocksPerRow, 1,
                new RowWiseArgs<TElement, TRow>
                {
                    X = Gpu.None<TElement>(),
                    Y = Gpu.View<TElement>(Y),
                    Factor = Gpu.View<TRow>(Row),
                    Columns = columns,
                    BlocksPerRow = blocksPerRow,
                });
        }
    }
}

/// <summary>The term of a sum over rows: x, x·y, or the gradient of the weight of an RMS norm or a layer norm.</summary>
internal enum ColumnTerm
{
    Entry,
    Product,
    Rms,
    Layer,
}
