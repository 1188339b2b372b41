using System.Globalization;
using System.Text;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>
/// Macros of attention on Hopper's tensor cores, for one warpgroup and tiles of 64 × 64 scores. A tile of heads lies in shared memory in panels
/// of 64 rows of 128 swizzled bytes, which serve as an operand either way round. Scores (s, g) and sums (o, v) are registers; a thread has
/// rows lane/4 and lane/4 + 8 of its warp's 16, and of every 8 columns the two from 2·(lane mod 4) on. Weights go on as the next product's
/// first operand without leaving registers (Shah et al. 2024, FlashAttention-3).
/// </summary>
internal static class FlashPtx
{
    /// <summary>Rows of a tile, queries or keys.</summary>
    public const int Tile = 64;

    /// <summary>Threads of a group.</summary>
    public const int Threads = 128;

    /// <summary>Bytes of what is kept of a query for the keys' gradient: from, to, minus the log-sum-exp in base 2, delta.</summary>
    public const int StatBytes = 16;

    private const string MinusLog2E = "0fBFB8AA3B", Ln2 = "0f3F317218", Infinity = "0fFF800000", Zero = "0f00000000";

    /// <summary>Bytes of a tile of heads.</summary>
    public static int TileBytes(int dim) => Tile * dim * 2;

    /// <summary>Dynamic shared memory: up to four tiles, the queries' numbers, and room to align.</summary>
    public static int SharedBytes(int dim) => (4 * TileBytes(dim)) + (Tile * StatBytes) + 1024;

    /// <summary>Writes a macro out; false if it is none of these.</summary>
    public static bool Write(StringBuilder text, string[] name, string[] a)
    {
        switch (name[0])
        {
            case "flash": Begin(text, Number(name[1])); break;
            case "tile": LoadChunk(text, a); break;
            case "stat": LoadStat(text, a); break;
            case "rowstats": LoadRowStats(text, a); break;
            case "scores": Scores(text, Number(name[1]), name[2], a); break;
            case "softmax": Softmax(text, Number(name[1]), a); break;
            case "rowslopes": RowSlopes(text, a); break;
            case "columnslopes": ColumnSlopes(text, a); break;
            case "combine": Combine(text, Number(name[1]), name[2], name[3], a); break;
            case "output": Output(text, Number(name[1]), a); break;
            case "gradient": Gradient(text, Number(name[1]), name[2], a); break;
            default: return false;
        }

        return true;
    }

    private static void Begin(StringBuilder text, int dim)
    {
        Line(text, $".reg .f32 s<32>;\n.reg .f32 g<32>;\n.reg .f32 o<{dim / 2}>;\n.reg .f32 v<{dim / 2}>;\n.reg .f32 max<2>, sum<2>, lse<2>, delta<2>;");
        Line(text, ".reg .b32 w<16>;\n.reg .u32 sbase;\n.reg .pred always, never;");
        Line(text, "mov.u32 sbase, peft_shared;\nadd.u32 sbase, sbase, 1023;\nand.b32 sbase, sbase, 0xFFFFFC00;");
        Line(text, "setp.eq.u32 always, sbase, sbase;\nsetp.ne.u32 never, sbase, sbase;");
        Line(text, $"mov.f32 max0, {Infinity};\nmov.f32 max1, {Infinity};\nmov.f32 sum0, {Zero};\nmov.f32 sum1, {Zero};");
        for (int i = 0; i < dim / 2; i++)
        {
            Line(text, $"mov.f32 o{i}, {Zero};\nmov.f32 v{i}, {Zero};");
        }
    }

    // Eight float32 at a global address, or zeros, to eight BF16 at an offset in shared memory.
    private static void LoadChunk(StringBuilder text, string[] a)
    {
        Line(text, $"{{\n.reg .pred here;\n.reg .f32 f<8>;\n.reg .b32 h<4>;\n.reg .u32 place;\nsetp.ne.s32 here, {a[2]}, 0;");
        for (int i = 0; i < 8; i++)
        {
            Line(text, $"mov.f32 f{i}, {Zero};");
        }

        Line(text, $"@here ld.global.v4.f32 {{f0, f1, f2, f3}}, [{a[1]}];\n@here ld.global.v4.f32 {{f4, f5, f6, f7}}, [{a[1]}+16];");
        for (int i = 0; i < 4; i++)
        {
            Line(text, $"cvt.rn.bf16x2.f32 h{i}, f{(2 * i) + 1}, f{2 * i};");
        }

        Line(text, $"add.u32 place, sbase, {a[0]};\nst.shared.v4.b32 [place], {{h0, h1, h2, h3}};\n}}");
    }

    // Offset in shared memory, from, to, addresses of lse and delta.
    private static void LoadStat(StringBuilder text, string[] a)
    {
        Line(text, "{\n.reg .f32 x, y;\n.reg .u32 place;");
        Line(text, $"ld.global.f32 x, [{a[3]}];\nld.global.f32 y, [{a[4]}];\nmul.f32 x, x, {MinusLog2E};\nadd.u32 place, sbase, {a[0]};");
        Line(text, $"st.shared.v2.b32 [place], {{{a[1]}, {a[2]}}};\nst.shared.v2.f32 [place+8], {{x, y}};\n}}");
    }

    private static void LoadRowStats(StringBuilder text, string[] a) => Line(text,
        $"ld.global.f32 lse0, [{a[0]}];\nld.global.f32 lse1, [{a[1]}];\nld.global.f32 delta0, [{a[2]}];\nld.global.f32 delta1, [{a[3]}];\n" +
        $"mul.f32 lse0, lse0, {MinusLog2E};\nmul.f32 lse1, lse1, {MinusLog2E};"); // An operand of fma takes no sign.

    // scores = rows·columnsᵀ over the head dimension, both tiles in shared memory.
    private static void Scores(StringBuilder text, int dim, string scores, string[] a)
    {
        Line(text, "{\n.reg .u32 at;\n.reg .u64 da, db;");
        WgmmaPtx.Descriptor(text, "da", a[0], false);
        WgmmaPtx.Descriptor(text, "db", a[1], false);
        Line(text, "wgmma.fence.sync.aligned;");
        for (int k = 0; k < dim; k += 16)
        {
            string onto = k == 0 ? "never" : "always";
            Line(text, $"wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {{{Names(scores, 32)}}}, da, db, {onto}, 1, 1, 0, 0;");
            // 32 bytes along a row; the fifth step begins the next panel.
            int step = k % 64 == 48 ? (8192 - 96) >> 4 : 2;
            Line(text, $"add.u64 da, da, {step};\nadd.u64 db, db, {step};");
        }

        Line(text, "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n}");
    }

    // First column of the thread, from and to of its two rows, scale·log₂e.
    private static void Softmax(StringBuilder text, int dim, string[] a)
    {
        Line(text, "{\n.reg .pred seen;\n.reg .s32 c, length0, length1, c0, c1;\n.reg .f32 m0, m1, x, factor0, factor1;");
        Mask(text, a);
        Line(text, $"mov.f32 m0, {Infinity};\nmov.f32 m1, {Infinity};");
        for (int i = 0; i < 32; i++)
        {
            int row = i / 2 % 2;
            Seen(text, i);
            Line(text, $"mul.f32 s{i}, s{i}, {a[5]};\nselp.f32 s{i}, s{i}, {Infinity}, seen;\nmax.f32 m{row}, m{row}, s{i};");
        }

        for (int row = 0; row < 2; row++)
        {
            AcrossQuad(text, $"m{row}", "max.f32");
            Line(text, $"max.f32 m{row}, m{row}, max{row};\nsetp.eq.f32 seen, m{row}, {Infinity};\nselp.f32 x, {Zero}, m{row}, seen;");
            Line(text, $"sub.f32 factor{row}, max{row}, x;\nex2.approx.f32 factor{row}, factor{row};\nmov.f32 max{row}, m{row};\nmov.f32 m{row}, x;");
            Line(text, $"mul.f32 sum{row}, sum{row}, factor{row};");
        }

        for (int i = 0; i < 32; i++)
        {
            int row = i / 2 % 2;
            Line(text, $"sub.f32 s{i}, s{i}, m{row};\nex2.approx.f32 s{i}, s{i};\nadd.f32 sum{row}, sum{row}, s{i};");
        }

        for (int i = 0; i < dim / 2; i++)
        {
            Line(text, $"mul.f32 o{i}, o{i}, factor{i / 2 % 2};");
        }

        Line(text, "}");
    }

    // s = P·(g − delta)·scale with P = 2^(s·scale·log₂e − lse), rows being queries. Arguments as for softmax, then scale.
    private static void RowSlopes(StringBuilder text, string[] a)
    {
        Line(text, "{\n.reg .pred seen;\n.reg .s32 c, length0, length1, c0, c1;");
        Mask(text, a);
        for (int i = 0; i < 32; i++)
        {
            int row = i / 2 % 2;
            Seen(text, i);
            Line(text, $"fma.rn.f32 s{i}, s{i}, {a[5]}, lse{row};\nex2.approx.f32 s{i}, s{i};\nselp.f32 s{i}, s{i}, {Zero}, seen;");
            Line(text, $"sub.f32 g{i}, g{i}, delta{row};\nmul.f32 s{i}, s{i}, g{i};\nmul.f32 s{i}, s{i}, {a[6]};");
        }

        Line(text, "}");
    }

    // s = P, g = P·(g − delta)·scale, columns being queries whose numbers stand in shared memory.
    // Offset of the thread's first column's numbers, the thread's two keys, scale·log₂e, scale.
    private static void ColumnSlopes(StringBuilder text, string[] a)
    {
        Line(text, $"{{\n.reg .pred seen;\n.reg .u32 place;\n.reg .s32 first, last, length, c;\n.reg .f32 lse, delta, x;\nadd.u32 place, sbase, {a[0]};");
        for (int column = 0; column < 16; column++)
        {
            int at = ((column / 2 * 8) + (column % 2)) * StatBytes;
            Line(text, $"ld.shared.v2.b32 {{first, last}}, [place+{at}];\nld.shared.v2.f32 {{lse, delta}}, [place+{at + 8}];\nsub.s32 length, last, first;");
            Line(text, "max.s32 length, length, 0;");
            for (int row = 0; row < 2; row++)
            {
                int i = (column / 2 * 4) + (row * 2) + (column % 2);
                Line(text, $"sub.s32 c, {a[1 + row]}, first;\nsetp.lt.u32 seen, c, length;");
                Line(text, $"fma.rn.f32 s{i}, s{i}, {a[3]}, lse;\nex2.approx.f32 s{i}, s{i};\nselp.f32 s{i}, s{i}, {Zero}, seen;");
                Line(text, $"sub.f32 g{i}, g{i}, delta;\nmul.f32 g{i}, g{i}, s{i};\nmul.f32 g{i}, g{i}, {a[4]};");
            }
        }

        Line(text, "}");
    }

    // sums += weights·tile, the weights rounded to BF16 in registers, the tile's rows summed over.
    private static void Combine(StringBuilder text, int dim, string weights, string sums, string[] a)
    {
        for (int i = 0; i < 16; i++)
        {
            Line(text, $"cvt.rn.bf16x2.f32 w{i}, {weights}{(2 * i) + 1}, {weights}{2 * i};");
        }

        Line(text, "{\n.reg .u32 at;\n.reg .u64 db;");
        WgmmaPtx.Descriptor(text, "db", a[0], true);
        Line(text, "wgmma.fence.sync.aligned;");
        for (int k = 0; k < 4; k++)
        {
            Line(text, $"wgmma.mma_async.sync.aligned.m64n{dim}k16.f32.bf16.bf16 {{{Names(sums, dim / 2)}}}, " +
                $"{{w{4 * k}, w{(4 * k) + 1}, w{(4 * k) + 2}, w{(4 * k) + 3}}}, db, always, 1, 1, 1;\nadd.u64 db, db, 128;");
        }

        Line(text, "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n}");
    }

    // Addresses of the output and lse of both rows, whether each row is one, whether the thread is the first of its four.
    private static void Output(StringBuilder text, int dim, string[] a)
    {
        Line(text, "{\n.reg .pred row0, row1, lead, some;\n.reg .f32 x, y, inverse0, inverse1;");
        for (int row = 0; row < 2; row++)
        {
            AcrossQuad(text, $"sum{row}", "add.f32");
            Line(text, $"setp.gt.f32 some, sum{row}, {Zero};\nrcp.rn.f32 inverse{row}, sum{row};\nselp.f32 inverse{row}, inverse{row}, {Zero}, some;");
            Line(text, $"setp.ne.s32 row{row}, {a[4 + row]}, 0;\nsetp.ne.and.s32 lead, {a[6]}, 0, row{row};");
            Line(text, $"lg2.approx.f32 x, sum{row};\nadd.f32 x, x, max{row};\nmul.f32 x, x, {Ln2};\n@lead st.global.f32 [{a[2 + row]}], x;");
        }

        Store(text, dim, "o", a, "x", "y", "mul.f32", "inverse");
        Line(text, "}");
    }

    // Addresses of both rows, whether each row is one, whether to add.
    private static void Gradient(StringBuilder text, int dim, string sums, string[] a)
    {
        Line(text, $"{{\n.reg .pred row0, row1, adds, loads;\n.reg .f32 x, y;\nsetp.ne.s32 row0, {a[2]}, 0;\nsetp.ne.s32 row1, {a[3]}, 0;\nsetp.ne.s32 adds, {a[4]}, 0;");
        for (int row = 0; row < 2; row++)
        {
            Line(text, $"and.pred loads, row{row}, adds;");
            for (int j = 0; j < dim / 8; j++)
            {
                int i = (4 * j) + (2 * row);
                Line(text, $"mov.f32 x, {Zero};\nmov.f32 y, {Zero};\n@loads ld.global.v2.f32 {{x, y}}, [{a[row]}+{32 * j}];");
                Line(text, $"add.f32 x, x, {sums}{i};\nadd.f32 y, y, {sums}{i + 1};\n@row{row} st.global.v2.f32 [{a[row]}+{32 * j}], {{x, y}};");
            }
        }

        Line(text, "}");
    }

    private static void Store(StringBuilder text, int dim, string sums, string[] a, string x, string y, string op, string factor)
    {
        for (int row = 0; row < 2; row++)
        {
            for (int j = 0; j < dim / 8; j++)
            {
                int i = (4 * j) + (2 * row);
                Line(text, $"{op} {x}, {sums}{i}, {factor}{row};\n{op} {y}, {sums}{i + 1}, {factor}{row};\n@row{row} st.global.v2.f32 [{a[row]}+{32 * j}], {{{x}, {y}}};");
            }
        }
    }

    private static void Mask(StringBuilder text, string[] a)
    {
        for (int row = 0; row < 2; row++)
        {
            Line(text, $"sub.s32 length{row}, {a[2 + (2 * row)]}, {a[1 + (2 * row)]};\nmax.s32 length{row}, length{row}, 0;\nsub.s32 c{row}, {a[0]}, {a[1 + (2 * row)]};");
        }
    }

    // Whether the row of score i sees its column: unsigned, so that columns before the first are out as well.
    private static void Seen(StringBuilder text, int i)
    {
        int row = i / 2 % 2, column = (i / 4 * 8) + (i % 2);
        Line(text, $"add.s32 c, c{row}, {column};\nsetp.lt.u32 seen, c, length{row};");
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

    private static string Names(string register, int count) => string.Join(", ", Enumerable.Range(0, count).Select(i => register + i.ToString(CultureInfo.InvariantCulture)));

    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
