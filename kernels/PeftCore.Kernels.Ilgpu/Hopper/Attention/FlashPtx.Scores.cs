using System.Text;

namespace PeftCore.Kernels.Ilgpu.Hopper.Attention;

/// <summary>The macros between two products: mask, softmax, and the gradients of the scores.</summary>
internal sealed partial class FlashPtx
{
    private const string MinusLog2E = "0fBFB8AA3B", Ln2 = "0f3F317218";

    private int Scores32 => _tiles.Columns / 2;

    private bool WriteScores(StringBuilder text, string[] name, string[] a)
    {
        if (WriteTerms(text, name, a))
        {
            return true;
        }

        switch (name[0])
        {
            case "rowmask": RowMask(text, a); break;
            case "columnmask": ColumnMask(text, a); break;
            case "restart": Restart(text); break;
            case "softmax": Softmax(text, a); break;
            case "rescale": Rescale(text); break;
            case "pack": Pack(text, name[1], name[2]); break;
            case "finish": Finish(text, a, sink: false); break;
            case "rowstats": RowStats(text, a); break;
            case "columnstats": ColumnStats(text, a); break;
            case "rowweights": RowWeights(text, a); break;
            case "rowslopes": RowSlopes(text); break;
            case "columnweights": ColumnWeights(text, a); break;
            case "columnslopes": ColumnSlopes(text, a[0], PlainSlope); break;
            default: return false;
        }

        return true;

        void PlainSlope(int s) => Line(text, $"sub.f32 g{s}, g{s}, x{s % 2};\nmul.f32 g{s}, s{s}, g{s};");
    }

    // s = −∞ where the row does not see the column. Arguments: first column of the thread, from and to of its two rows. The comparison is
    // unsigned, so that it excludes columns before the first as well.
    private void RowMask(StringBuilder text, string[] a)
    {
        Line(text, "{\n.reg .pred seen;\n.reg .s32 c, length0, length1, c0, c1;");
        for (int row = 0; row < 2; row++)
        {
            Line(text, $"sub.s32 length{row}, {a[2 + (2 * row)]}, {a[1 + (2 * row)]};\nmax.s32 length{row}, length{row}, 0;");
            Line(text, $"sub.s32 c{row}, {a[0]}, {a[1 + (2 * row)]};");
        }

        for (int i = 0; i < Scores32; i++)
        {
            int row = i / 2 % 2, column = (i / 4 * 8) + (i % 2);
            Line(text, $"add.s32 c, c{row}, {column};\nsetp.lt.u32 seen, c, length{row};\nselp.f32 s{i}, s{i}, {Infinity}, seen;");
        }

        Line(text, "}");
    }

    // The mask with keys as rows. Arguments: offset of the row statistics of the thread's first column, the thread's two keys.
    private void ColumnMask(StringBuilder text, string[] a)
    {
        Line(text, $"{{\n.reg .pred seen;\n.reg .u32 at;\n.reg .s32 first<2>, length<2>, c;\nadd.u32 at, sbase, {a[0]};");
        for (int j = 0; j < _tiles.Columns; j += 8)
        {
            Line(text, $"ld.shared.v2.b32 {{first0, first1}}, [at+{(2 * 4 * _tiles.Columns) + (4 * j)}];");
            Line(text, $"ld.shared.v2.b32 {{length0, length1}}, [at+{(3 * 4 * _tiles.Columns) + (4 * j)}];");
            for (int i = 0; i < 4; i++)
            {
                int s = (j / 2) + i;
                Line(text, $"sub.s32 c, {a[1 + (i / 2)]}, first{i % 2};\nsetp.lt.u32 seen, c, length{i % 2};");
                Line(text, $"selp.f32 s{s}, s{s}, {Infinity}, seen;");
            }
        }

        Line(text, "}");
    }

    private void Restart(StringBuilder text)
    {
        Line(text, $"mov.f32 max0, {Infinity};\nmov.f32 max1, {Infinity};\nmov.f32 sum0, {Zero};\nmov.f32 sum1, {Zero};");
        Clear(text, "o");
    }

    // s = 2^(c·(s − max)), c = scale·log₂e. Updates sums and maxima, and sets the factors that rescale what was summed before.
    private void Softmax(StringBuilder text, string[] a)
    {
        Line(text, "{\n.reg .pred none;\n.reg .f32 m<4>, t<4>, minus<2>, x;");
        for (int i = 0; i < Scores32; i++)
        {
            string m = $"m{i % 4}"; // two chains a row
            Line(text, i < 4 ? $"mov.f32 {m}, s{i};" : $"max.f32 {m}, {m}, s{i};");
        }

        for (int row = 0; row < 2; row++)
        {
            string m = $"m{2 * row}";
            Line(text, $"max.f32 {m}, {m}, m{(2 * row) + 1};");
            AcrossQuad(text, m, "max.f32");
            Line(text, $"max.f32 {m}, {m}, max{row};\nsetp.eq.f32 none, {m}, {Infinity};\nselp.f32 x, {Zero}, {m}, none;");
            Line(text, $"mul.f32 minus{row}, x, {a[0]};\nneg.f32 minus{row}, minus{row};");
            Line(text, $"fma.rn.f32 factor{row}, max{row}, {a[0]}, minus{row};\nex2.approx.ftz.f32 factor{row}, factor{row};");
            Line(text, $"mov.f32 max{row}, {m};\nmul.f32 sum{row}, sum{row}, factor{row};");
        }

        for (int i = 0; i < Scores32; i++)
        {
            int row = i / 2 % 2;
            Line(text, $"fma.rn.f32 s{i}, s{i}, {a[0]}, minus{row};\nex2.approx.ftz.f32 s{i}, s{i};");
            Line(text, i < 4 ? $"mov.f32 t{i}, s{i};" : $"add.f32 t{i % 4}, t{i % 4}, s{i};");
        }

        Line(text, "add.f32 t0, t0, t1;\nadd.f32 t2, t2, t3;\nadd.f32 sum0, sum0, t0;\nadd.f32 sum1, sum1, t2;\n}");
    }

    private void Rescale(StringBuilder text)
    {
        for (int i = 0; i < _tiles.Dim / 2; i++)
        {
            Line(text, $"mul.f32 o{i}, o{i}, factor{i / 2 % 2};");
        }
    }

    private void Pack(StringBuilder text, string to, string from)
    {
        for (int i = 0; i < Scores32 / 2; i++)
        {
            Line(text, $"cvt.rn.bf16x2.f32 {to}{i}, {from}{(2 * i) + 1}, {from}{2 * i};");
        }
    }

    // Writes lse, and sets the factors to 1/sum. Arguments: addresses of lse of both rows, whether each row exists, scale·log₂e, and the
    // sink times log₂e if there is one: then the sum gets one more term.
    private static void Finish(StringBuilder text, string[] a, bool sink)
    {
        Line(text, "{\n.reg .pred writes, some;\n.reg .f32 x;\n.reg .u32 lane;\nmov.u32 lane, %laneid;\nand.b32 lane, lane, 3;");
        for (int row = 0; row < 2; row++)
        {
            AcrossQuad(text, $"sum{row}", "add.f32");
            if (sink)
            {
                // max in powers of two, then both terms relative to the larger one.
                Line(text, $"{{\n.reg .f32 old, top, y;\nmul.f32 old, max{row}, {a[4]};\nmax.f32 top, old, {a[5]};");
                Line(text, $"sub.f32 old, old, top;\nex2.approx.ftz.f32 old, old;\nsub.f32 y, {a[5]}, top;\nex2.approx.ftz.f32 y, y;");
                Line(text, $"fma.rn.f32 sum{row}, sum{row}, old, y;\nsetp.gt.f32 some, sum{row}, {Zero};");
                Line(text, $"rcp.rn.f32 factor{row}, sum{row};\nmul.f32 factor{row}, factor{row}, old;\n" +
                    $"selp.f32 factor{row}, factor{row}, {Zero}, some;");
                Line(text, $"lg2.approx.f32 x, sum{row};\nadd.f32 x, x, top;\nmul.f32 x, x, {Ln2};\n}}");
            }
            else
            {
                Line(text, $"setp.gt.f32 some, sum{row}, {Zero};\nrcp.rn.f32 factor{row}, sum{row};");
                Line(text, $"selp.f32 factor{row}, factor{row}, {Zero}, some;");
                Line(text, $"lg2.approx.f32 x, sum{row};\nfma.rn.f32 x, max{row}, {a[4]}, x;\nmul.f32 x, x, {Ln2};");
            }


            Line(text, $"selp.f32 x, x, {Infinity}, some;");
            Line(text, $"setp.ne.s32 writes, {a[2 + row]}, 0;\nsetp.eq.and.u32 writes, lane, 0, writes;");
            Line(text, $"@writes st.global.f32 [{a[row]}], x;");
        }

        Line(text, "}");
    }

    // Loads −lse·log₂e and delta of both rows. Arguments: addresses of lse and of delta, whether each row exists. A row that attends to no
    // key or does not exist gets −∞, so that its probabilities are 0.
    private static void RowStats(StringBuilder text, string[] a)
    {
        Line(text, "{\n.reg .pred here;");
        for (int row = 0; row < 2; row++)
        {
            Line(text, $"mov.f32 lse{row}, {Infinity};\nmov.f32 delta{row}, {Zero};\nsetp.ne.s32 here, {a[4 + row]}, 0;");
            Line(text, $"@here ld.global.f32 lse{row}, [{a[row]}];\n@here ld.global.f32 delta{row}, [{a[2 + row]}];");
            MinusLse(text, $"lse{row}");
        }

        Line(text, "}");
    }

    // Stores the statistics of a column. Arguments: their offset, addresses of lse and delta, whether the column exists, from, to.
    private void ColumnStats(StringBuilder text, string[] a)
    {
        Line(text, $"{{\n.reg .pred here;\n.reg .u32 at;\n.reg .s32 length;\n.reg .f32 x, y;\nadd.u32 at, sbase, {a[0]};");
        Line(text, $"mov.f32 x, {Infinity};\nmov.f32 y, {Zero};\nsetp.ne.s32 here, {a[3]}, 0;\n@here ld.global.f32 x, [{a[1]}];");
        Line(text, $"@here ld.global.f32 y, [{a[2]}];");
        MinusLse(text, "x");
        Line(text, $"st.shared.f32 [at], x;\nst.shared.f32 [at+{4 * _tiles.Columns}], y;\nsub.s32 length, {a[5]}, {a[4]};");
        Line(text, $"max.s32 length, length, 0;");
        Line(text, $"st.shared.b32 [at+{8 * _tiles.Columns}], {a[4]};\nst.shared.b32 [at+{12 * _tiles.Columns}], length;\n}}");
    }

    private static void MinusLse(StringBuilder text, string x) => Line(text,
        $"{{\n.reg .pred none;\nsetp.eq.f32 none, {x}, {Infinity};\nmul.f32 {x}, {x}, {MinusLog2E};\n" +
        $"selp.f32 {x}, {Infinity}, {x}, none;\n}}");

    // s = P = 2^(c·s − lse).
    private void RowWeights(StringBuilder text, string[] a)
    {
        for (int i = 0; i < Scores32; i++)
        {
            Line(text, $"fma.rn.f32 s{i}, s{i}, {a[0]}, lse{i / 2 % 2};\nex2.approx.ftz.f32 s{i}, s{i};");
        }
    }

    // s = P·(g − delta), the gradient of the scores.
    private void RowSlopes(StringBuilder text)
    {
        for (int i = 0; i < Scores32; i++)
        {
            Line(text, $"sub.f32 g{i}, g{i}, delta{i / 2 % 2};\nmul.f32 s{i}, s{i}, g{i};");
        }
    }

    // RowWeights with queries as columns. Arguments: offset of the row statistics of the thread's first column, and c.
    private void ColumnWeights(StringBuilder text, string[] a)
    {
        Line(text, $"{{\n.reg .u32 at;\n.reg .f32 x<2>;\nadd.u32 at, sbase, {a[0]};");
        for (int j = 0; j < _tiles.Columns; j += 8)
        {
            Line(text, $"ld.shared.v2.f32 {{x0, x1}}, [at+{4 * j}];");
            for (int i = 0; i < 4; i++)
            {
                int s = (j / 2) + i;
                Line(text, $"fma.rn.f32 s{s}, s{s}, {a[1]}, x{i % 2};\nex2.approx.ftz.f32 s{s}, s{s};");
            }
        }

        Line(text, "}");
    }

    // p = s and w = P·(g − delta) in BF16, two numbers of each at a time, so that they reuse the registers of the scores. The slope writes
    // w of a score into g, and what p becomes into s; with a soft cap, p is written already.
    private void ColumnSlopes(StringBuilder text, string stats, Action<int> slope, bool writesProbabilities = true)
    {
        Line(text, $"{FactorRegisters}\n.reg .u32 at;\n.reg .f32 x<2>;\nadd.u32 at, sbase, {stats};");
        for (int j = 0; j < _tiles.Columns; j += 8)
        {
            Line(text, $"ld.shared.v2.f32 {{x0, x1}}, [at+{4 * (_tiles.Columns + j)}];");
            for (int i = 0; i < 4; i++)
            {
                slope((j / 2) + i);
            }

            for (int pair = j / 4; pair < (j / 4) + 2; pair++)
            {
                if (writesProbabilities)
                {
                    Line(text, $"cvt.rn.bf16x2.f32 p{pair}, s{(2 * pair) + 1}, s{2 * pair};");
                }

                Line(text, $"cvt.rn.bf16x2.f32 w{pair}, g{(2 * pair) + 1}, g{2 * pair};");
            }
        }

        Line(text, "}");
    }

    private static void AcrossQuad(StringBuilder text, string register, string op)
    {
        Line(text, "{\n.reg .f32 other;");
        foreach (int lane in (int[])[1, 2])
        {
            Line(text, $"shfl.sync.bfly.b32 other, {register}, {lane}, 31, 0xFFFFFFFF;\n{op} {register}, {register}, other;");
        }

        Line(text, "}");
    }
}
