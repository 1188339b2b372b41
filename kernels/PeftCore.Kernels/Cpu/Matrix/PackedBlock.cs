using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>Some rows, columns and steps of a product, and where they are packed.</summary>
internal unsafe struct PackedBlock<TTile>(MatrixProduct product, float* packedA, float* packedB, bool direct)
    where TTile : struct, ITile
{
    public readonly MatrixProduct Product = product;
    public int Row, Rows, Column, Columns, Step, Steps;
    private readonly float* _packedA = packedA, _packedB = packedB;

    public readonly int PanelsA => Ranges.Count(Rows, TTile.Rows);

    public readonly int PanelsB => Ranges.Count(Columns, TTile.Columns);

    /// <summary>Read as stored, only a last strip that is too narrow needs packing; of an operand packed beforehand, none does.</summary>
    public readonly int FirstPackedB => Product.B.IsPacked ? PanelsB : direct ? Columns / TTile.Columns : 0;

    public readonly void PackRows(int panel)
    {
        int row = panel * TTile.Rows;
        Product.A.Pack(Row + row, Math.Min(TTile.Rows, Rows - row), TTile.Rows, Step, Steps, PanelA(panel));
    }

    public readonly void PackColumns(int panel) => PackColumns(panel, PanelB(panel));

    public readonly void PackColumns(int panel, float* into)
    {
        int column = panel * TTile.Columns;
        Product.B.Pack(Column + column, Math.Min(TTile.Columns, Columns - column), TTile.Columns, Step, Steps, into);
    }

    /// <summary>Brings a part of a strip of B, as it is stored, closer.</summary>
    public readonly void Prefetch(int panel, int part, int parts)
    {
        int column = panel * TTile.Columns;
        if (column < Columns)
        {
            Product.B.Prefetch(Column + column, Math.Min(TTile.Columns, Columns - column), Step, Steps, part, parts);
        }
    }

    /// <summary>A tile of C from a panel of A and the strip of B in this block's memory, or where it is stored.</summary>
    public readonly void Compute(int panelA, int panelB) =>
        Compute(panelA, panelB, panelB < FirstPackedB ? null : PanelB(panelB));

    /// <summary>A tile of C from a panel of A and a strip of B packed there; null means the strip as it is stored.</summary>
    public readonly void Compute(int panelA, int panelB, float* strip)
    {
        int row = panelA * TTile.Rows, column = panelB * TTile.Columns;
        int rows = Math.Min(TTile.Rows, Rows - row), columns = Math.Min(TTile.Columns, Columns - column);
        bool accumulate = Product.Accumulate || Step > 0;
        if (columns == TTile.Columns && rows % 4 == 0 && Product.ColumnStride == 1)
        {
            float* c = Product.C + ((Row + row) * Product.RowStride) + Column + column;
            Tile(rows, panelA, panelB, strip, c, Product.RowStride, accumulate);
        }
        else
        {
            Apart(row, rows, panelA, column, columns, panelB, strip, accumulate);
        }
    }

    // Computes the whole tile apart and moves the part that lies inside C to its place.
    [SkipLocalsInit]
    private readonly void Apart(int row, int rows, int panelA, int column, int columns, int panelB, float* strip, bool accumulate)
    {
        float* tile = stackalloc float[TTile.Rows * TTile.Columns];
        Tile(rows, panelA, panelB, strip, tile, TTile.Columns, false);
        Product.Put(tile, TTile.Columns, Row + row, rows, Column + column, columns, accumulate);
    }

    private readonly void Tile(int rows, int panelA, int panelB, float* strip, float* c, nint ldc, bool accumulate)
    {
        if (strip == null)
        {
            Product.B.Tile<TTile>(
                rows, Column + (panelB * TTile.Columns), Step, Steps, PanelA(panelA), c, ldc, Product.Alpha, accumulate);
        }
        else
        {
            TTile.Run<StoredF32>(
                rows, Steps, PanelA(panelA), TTile.Rows, (byte*)strip, TTile.Columns, c, ldc, Product.Alpha, accumulate);
        }
    }

    private readonly float* PanelA(int panel) => _packedA + ((nint)panel * TTile.Rows * Steps);

    private readonly float* PanelB(int panel) => _packedB + ((nint)(panel - FirstPackedB) * TTile.Columns * Steps);
}
