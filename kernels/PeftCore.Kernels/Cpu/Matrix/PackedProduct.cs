using System.Runtime.CompilerServices;

namespace PeftCore.Kernels;

/// <summary>
/// The product of two matrices after Goto and van de Geijn (2008): blocks of A and B are packed into panels that stay in the
/// caches, and tiles of C are computed from them. Blocks and tiles depend on the sizes alone, never on the number of threads.
/// </summary>
internal static unsafe class PackedProduct<TTile>
    where TTile : struct, ITile
{
    // A panel of A stays in the first-level cache, a block of B in the second or the last.
    private const int MaxSteps = 384, MaxRows = 1536, MaxColumns = 1536;

    // So few rows do not repay packing B, if it can be read as it is.
    private const int MaxDirectRows = 36;

    // How much a thread takes at a time: to pack, and to compute.
    private const int PackedAtOnce = 16384, RowsAtOnce = 48, ColumnsAtOnce = 1024;

    public static void Run(in MatrixProduct product, WorkerPool pool)
    {
        bool direct = product.M <= MaxDirectRows && !product.B.StepsAdjacent;
        int steps = Even(product.K, MaxSteps, 4), rows = Even(product.M, MaxRows, TTile.Rows), columns = Even(product.N, MaxColumns, TTile.Columns);
        using Scratch packedA = pool.Scratch.Rent((long)rows * steps), packedB = pool.Scratch.Rent((long)(direct ? TTile.Columns : columns) * steps);
        Block block = new(product, packedA.Pointer, packedB.Pointer, direct);
        for (block.Column = 0; block.Column < product.N; block.Column += columns)
        {
            block.Columns = Math.Min(columns, product.N - block.Column);
            for (block.Step = 0; block.Step < product.K; block.Step += steps)
            {
                block.Steps = Math.Min(steps, product.K - block.Step);
                for (block.Row = 0; block.Row < product.M; block.Row += rows)
                {
                    block.Rows = Math.Min(rows, product.M - block.Row);
                    block.Run(pool);
                }
            }
        }
    }

    /// <summary>The length of equal parts of total, none longer than max, in whole units.</summary>
    private static int Even(int total, int max, int unit)
    {
        int parts = Ranges.Count(total, max), part = Ranges.Count(total, parts);
        return Ranges.Count(part, unit) * unit;
    }

    private struct Block(MatrixProduct product, float* packedA, float* packedB, bool direct)
    {
        public int Row, Rows, Column, Columns, Step, Steps;
        private readonly MatrixProduct _product = product;
        private readonly float* _packedA = packedA, _packedB = packedB;

        public readonly int PanelsA => Ranges.Count(Rows, TTile.Rows);

        public readonly int PanelsB => Ranges.Count(Columns, TTile.Columns);

        // Read as stored, only a last strip that is too narrow needs packing.
        public readonly int FirstPackedB => direct ? Columns / TTile.Columns : 0;

        public readonly void Run(WorkerPool pool)
        {
            // The block of B is packed with the first block of rows and serves the others.
            PackBody pack = new(this, Row == 0);
            pool.For(pack.Items, ref pack);
            TileBody tiles = new(this);
            pool.For(tiles.Items, ref tiles);
        }

        public readonly void PackRows(int panel)
        {
            int row = panel * TTile.Rows;
            _product.A.Pack(Row + row, Math.Min(TTile.Rows, Rows - row), TTile.Rows, Step, Steps, PanelA(panel));
        }

        public readonly void PackColumns(int panel)
        {
            int column = panel * TTile.Columns;
            _product.B.Pack(Column + column, Math.Min(TTile.Columns, Columns - column), TTile.Columns, Step, Steps, PanelB(panel));
        }

        public readonly void Compute(int panelA, int panelB)
        {
            int row = panelA * TTile.Rows, column = panelB * TTile.Columns;
            int rows = Math.Min(TTile.Rows, Rows - row), columns = Math.Min(TTile.Columns, Columns - column);
            bool accumulate = _product.Accumulate || Step > 0;
            if (columns == TTile.Columns && rows % 4 == 0 && _product.ColumnStride == 1)
            {
                float* c = _product.C + ((Row + row) * _product.RowStride) + Column + column;
                Tile(rows, panelA, panelB, c, _product.RowStride, accumulate);
            }
            else
            {
                Apart(row, rows, panelA, column, columns, panelB, accumulate);
            }
        }

        // Computes the whole tile apart and moves the part that lies inside C to its place.
        [SkipLocalsInit]
        private readonly void Apart(int row, int rows, int panelA, int column, int columns, int panelB, bool accumulate)
        {
            float* tile = stackalloc float[TTile.Rows * TTile.Columns];
            Tile(rows, panelA, panelB, tile, TTile.Columns, false);
            _product.Put(tile, TTile.Columns, Row + row, rows, Column + column, columns, accumulate);
        }

        private readonly void Tile(int rows, int panelA, int panelB, float* c, nint ldc, bool accumulate)
        {
            if (panelB < FirstPackedB)
            {
                _product.B.Tile<TTile>(
                    rows, Column + (panelB * TTile.Columns), Step, Steps, PanelA(panelA), c, ldc, _product.Alpha, accumulate);
            }
            else
            {
                TTile.Run<StoredF32>(
                    rows, Steps, PanelA(panelA), TTile.Rows, (byte*)PanelB(panelB), TTile.Columns, c, ldc, _product.Alpha, accumulate);
            }
        }

        private readonly float* PanelA(int panel) => _packedA + ((nint)panel * TTile.Rows * Steps);

        private readonly float* PanelB(int panel) => _packedB + ((nint)(panel - FirstPackedB) * TTile.Columns * Steps);
    }

    private readonly struct PackBody(Block block, bool withB) : IParallelBody
    {
        private readonly int _atOnceA = Math.Max(1, PackedAtOnce / (TTile.Rows * block.Steps));
        private readonly int _atOnceB = Math.Max(1, PackedAtOnce / (TTile.Columns * block.Steps));

        public int Items => ItemsA + (withB ? Ranges.Count(block.PanelsB - block.FirstPackedB, _atOnceB) : 0);

        private int ItemsA => Ranges.Count(block.PanelsA, _atOnceA);

        public void Run(int item)
        {
            if (item < ItemsA)
            {
                for (int i = item * _atOnceA; i < Math.Min(block.PanelsA, (item + 1) * _atOnceA); i++)
                {
                    block.PackRows(i);
                }

                return;
            }

            int first = block.FirstPackedB + ((item - ItemsA) * _atOnceB);
            for (int i = first; i < Math.Min(block.PanelsB, first + _atOnceB); i++)
            {
                block.PackColumns(i);
            }
        }
    }

    private readonly struct TileBody : IParallelBody
    {
        private readonly Block _block;
        private readonly int _panelsA, _panelsB, _atOnceA, _atOnceB;

        public TileBody(Block block)
        {
            _block = block;
            _panelsA = block.PanelsA;
            _panelsB = block.PanelsB;
            _atOnceA = Math.Max(1, RowsAtOnce / TTile.Rows);
            _atOnceB = Math.Max(1, ColumnsAtOnce / TTile.Columns);
            // Enough items that a thread which finishes early finds another.
            while (Items < 24 && _atOnceA > 2)
            {
                _atOnceA /= 2;
            }

            while (Items < 24 && _atOnceB > 1)
            {
                _atOnceB /= 2;
            }
        }

        public int Items => Ranges.Count(_panelsA, _atOnceA) * Ranges.Count(_panelsB, _atOnceB);

        public void Run(int item)
        {
            int across = Ranges.Count(_panelsA, _atOnceA);
            int firstA = item % across * _atOnceA, firstB = item / across * _atOnceB;
            int lastA = Math.Min(_panelsA, firstA + _atOnceA), lastB = Math.Min(_panelsB, firstB + _atOnceB);
            for (int a = firstA; a < lastA; a++)
            {
                for (int b = firstB; b < lastB; b++)
                {
                    _block.Compute(a, b);
                }
            }
        }
    }
}
