using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>A block of rows and steps of a product, with the buffer of packed A.</summary>
internal unsafe struct PackedBlock<TTile>(MatrixProduct product, float* packed, bool direct)
    where TTile : struct, ITile
{
    public readonly MatrixProduct Product = product;
    public int Row, Rows, Step, Steps;
    private readonly float* _packed = packed;

    /// <summary>Panels of A in this block.</summary>
    public readonly int PanelCount => Ranges.Count(Rows, TTile.Rows);

    /// <summary>Strips of B in the product.</summary>
    public readonly int StripCount => Ranges.Count(Product.N, TTile.Columns);

    /// <summary>Bytes of an element of B as tiles read it.</summary>
    public readonly int StripSize => Product.B.IsPrepacked || direct ? Elements.Size(Product.B.Type) : sizeof(float);

    public readonly void PackRows(int panel)
    {
        int row = panel * TTile.Rows;
        Product.A.Pack(Row + row, Math.Min(TTile.Rows, Rows - row), TTile.Rows, Step, Steps, Panel(row));
    }

    /// <summary>Packs some of this block's steps of a strip of B. Returns null if tiles can read the strip in place.</summary>
    public readonly float* PackColumns(int strip, int step, int steps, float* into)
    {
        int column = strip * TTile.Columns, columns = Math.Min(TTile.Columns, Product.N - column);
        if (Product.B.IsPrepacked || (direct && columns == TTile.Columns))
        {
            return null;
        }

        Product.B.Pack(column, columns, TTile.Columns, Step + step, steps, into);
        return into;
    }

    /// <summary>Prefetches a part of a strip of B: the fraction that <paramref name="count"/> rows are of all rows, so that the whole
    /// strip is fetched by the time all rows are done.</summary>
    public readonly void Prefetch(int strip, int step, int steps, int row, int rows, int count)
    {
        int column = strip * TTile.Columns;
        Product.B.Prefetch(column, Math.Min(TTile.Columns, Product.N - column), Step + step, steps, row / count, Ranges.Count(rows, count));
    }

    /// <summary>Computes a tile of C from a panel of A and some steps of a strip of B, packed or, if null, in place.</summary>
    public readonly void Compute(int row, int strip, int step, int steps, float* packed)
    {
        int column = strip * TTile.Columns;
        int rows = Math.Min(TTile.Rows, Rows - row), columns = Math.Min(TTile.Columns, Product.N - column);
        bool accumulate = Product.Accumulate || Step + step > 0;
        if (columns == TTile.Columns && rows % 4 == 0 && Product.ColumnStride == 1)
        {
            float* c = Product.C + ((Row + row) * Product.RowStride) + column;
            Tile(row, rows, column, step, steps, packed, c, Product.RowStride, accumulate);
        }
        else
        {
            ComputeEdge(row, rows, column, columns, step, steps, packed, accumulate);
        }
    }

    // Computes a tile that reaches beyond C in a buffer, and copies the part inside C.
    [SkipLocalsInit]
    private readonly void ComputeEdge(int row, int rows, int column, int columns, int step, int steps, float* packed, bool accumulate)
    {
        float* tile = stackalloc float[TTile.Rows * TTile.Columns];
        Tile(row, rows, column, step, steps, packed, tile, TTile.Columns, false);
        Product.Put(tile, TTile.Columns, Row + row, rows, column, columns, accumulate);
    }

    private readonly void Tile(int row, int rows, int column, int step, int steps, float* packed, float* c, nint ldc, bool accumulate)
    {
        float* a = Panel(row) + ((nint)step * TTile.Rows);
        if (packed == null)
        {
            Product.B.Tile<TTile>(rows, column, Step + step, steps, a, c, ldc, Product.Alpha, accumulate);
        }
        else
        {
            TTile.Run<Float32Element>(rows, steps, a, TTile.Rows, (byte*)packed, TTile.Columns, c, ldc, Product.Alpha, accumulate);
        }
    }

    private readonly float* Panel(int row) => _packed + ((nint)row * Steps);
}
