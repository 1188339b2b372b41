using System.Globalization;
using System.Text;

namespace PeftCore.Kernels.Ilgpu.Ampere.Quantized;

/// <summary>Writes the macros of <see cref="StreamKernel"/> as PTX. In an m16n8k16 product lane l holds row l/4 of x and of W, and in each
/// of four products four of the sixteen columns 16·(l mod 4) … of a block: any order of the summed index is right if both operands have
/// it. Only the tables are read by ld.global.nc: a kernel that starts before the preceding one has ended must not take what that one writes
/// for constant.</summary>
internal sealed class StreamPtx(StreamShape shape)
{
    private const int Blocks = StreamShape.Blocks, Products = 4;

    private int Tiles => shape.Tiles;

    /// <summary>Expands the macros in ILGPU's PTX.</summary>
    public string Expand(string ptx) => PtxMacros.Expand(ptx, Write, target: shape.StartsEarly ? "sm_90a" : "sm_80");

    private bool Write(StringBuilder text, string[] name, string[] a)
    {
        switch (name[0])
        {
            case "begin": Begin(text, a); break;
            case "griddep_wait": text.Append(shape.StartsEarly ? "griddepcontrol.wait;\n" : ""); break;
            case "codes": Codes(text, a); break;
            case "scales": Scales(text, a); break;
            case "multiply": Multiply(text, a); break;
            case "stage": Stage(text); break;
            case "result": Result(text, a); break;
            default: return false;
        }
        return true;
    }

    // Arguments: addresses of the levels, of the dynamic map, and of the mean of the scales. A thread writes an entry of the table of
    // pairs, 32 copies, from another bank on than its neighbours.
    private void Begin(StringBuilder text, string[] a)
    {
        Add(text, $".reg .u32 sbase, table, sumsAt;\n.reg .b32 codes<{2 * Blocks * Tiles}>, sources<{Blocks}>, nextSources<{Blocks}>;\n");
        Add(text, $".reg .f32 acc<{4 * Tiles}>, scale<{Tiles}>, zero;\n");
        Add(text, $"mov.u32 sbase, {PtxMacros.Shared};\nadd.u32 sbase, sbase, 1023;\nand.b32 sbase, sbase, 0xFFFFFC00;\n");
        text.Append(shape.StartsEarly ? "griddepcontrol.launch_dependents;\n" : "");
        text.Append("{\n.reg .u32 t, entry, to, code, lane;\n.reg .u64 at;\n.reg .f32 low, high;\n.reg .b32 pair;\n" +
            "mov.u32 t, %tid.x;\nshr.u32 code, t, 4;\n");
        Add(text, $"mad.wide.u32 at, code, 4, {a[0]};\nld.global.nc.f32 low, [at];\nand.b32 code, t, 15;\n");
        Add(text, $"mad.wide.u32 at, code, 4, {a[0]};\nld.global.nc.f32 high, [at];\ncvt.rn.bf16x2.f32 pair, high, low;\n");
        text.Append("mad.lo.u32 entry, t, 128, sbase;\n");
        for (int i = 0; i < 8; i++)
        {
            Add(text, $"add.u32 to, t, {i};\nand.b32 to, to, 7;\nmad.lo.u32 to, to, 16, entry;\n");
            text.Append("st.shared.v4.b32 [to], {pair, pair, pair, pair};\n");
        }
        if (shape.DoubleQuantized)
        {
            Add(text, $"mad.wide.u32 at, t, 4, {a[1]};\nmad.lo.u32 to, t, 4, sbase;\nld.global.nc.f32 low, [at];\n");
            Add(text, $"st.shared.f32 [to+{StreamShape.MapAt}], low;\n");
        }
        text.Append("and.b32 lane, t, 31;\nmad.lo.u32 table, lane, 4, sbase;\n");
        Add(text, $"shr.u32 to, t, 5;\nmad.lo.u32 sumsAt, to, {shape.WarpBytes}, sbase;\n");
        Add(text, $"mad.lo.u32 sumsAt, lane, 16, sumsAt;\nadd.u32 sumsAt, sumsAt, {StreamShape.SumsAt};\n");
        // A lane's sums are of columns 2·(l mod 4) and the next, whose scales of block u are in lanes 4·column + u.
        text.Append("and.b32 lane, lane, 3;\nshl.b32 lane, lane, 3;\n");
        for (int u = 0; u < Blocks; u++)
        {
            Add(text, $"add.u32 sources{u}, lane, {u};\nadd.u32 nextSources{u}, lane, {4 + u};\n");
        }
        text.Append("}\nmov.f32 zero, 0f00000000;\n");
        for (int i = 0; i < 4 * Tiles; i++)
        {
            Add(text, $"mov.f32 acc{i}, 0f00000000;\n");
        }
        text.Append(".reg .f32 mean;\n");
        if (shape.DoubleQuantized)
        {
            Add(text, $".reg .u64 meanAt;\nmov.u64 meanAt, {a[2]};\n");
        }
    }

    // Arguments: addresses of the lane's codes in both tiles, columns left.
    private void Codes(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .pred in;\n");
        for (int u = 0; u < Blocks; u++)
        {
            Add(text, $"setp.gt.s32 in, {a[2]}, {StreamShape.Block * u};\n");
            for (int t = 0; t < Tiles; t++)
            {
                int first = 2 * ((u * Tiles) + t);
                Add(text, $"mov.b32 codes{first}, 0;\nmov.b32 codes{first + 1}, 0;\n");
                Add(text, $"@in ld.global.L1::no_allocate.v2.b32 {{codes{first}, codes{first + 1}}}, [{a[t]}+{32 * u}];\n");
            }
        }
        text.Append("}\n");
    }

    // Arguments: the lane's block in both tiles, addresses of the scales and of their scales, columns left from the lane's block on.
    private void Scales(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .pred in;\n.reg .u64 at;\n.reg .u32 code;\n.reg .f32 outer;\n");
        Add(text, $"setp.gt.s32 in, {a[4]}, 0;\n");
        if (shape.DoubleQuantized)
        {
            text.Append("mov.f32 mean, 0f00000000;\n@in ld.global.f32 mean, [meanAt];\n");
        }
        for (int t = 0; t < Tiles; t++)
        {
            Add(text, $"mov.f32 scale{t}, 0f00000000;\n");
            if (shape.DoubleQuantized)
            {
                Add(text, $"mov.u32 code, 0;\nmov.f32 outer, 0f00000000;\nadd.u64 at, {a[t]}, {a[2]};\n@in ld.global.u8 code, [at];\n");
                Add(text, $"shr.u64 at, {a[t]}, 8;\nmad.lo.u64 at, at, 4, {a[3]};\n@in ld.global.f32 outer, [at];\n");
                Add(text, $"mad.lo.u32 code, code, 4, sbase;\nld.shared.f32 scale{t}, [code+{StreamShape.MapAt}];\n");
                Add(text, $"mul.rn.f32 scale{t}, scale{t}, outer;\nadd.rn.f32 scale{t}, scale{t}, mean;\n");
            }
            else
            {
                Add(text, $"mad.lo.u64 at, {a[t]}, 4, {a[2]};\n@in ld.global.f32 scale{t}, [at];\n");
            }
        }
        text.Append("}\n");
    }

    // Arguments: address of the lane's columns in its row of x, bytes to the row eight below, rows left from its row on, columns left.
    private void Multiply(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .pred here, there, in;\n.reg .u64 next;\n.reg .b32 x<16>, b<2>;\n.reg .u32 at;\n");
        Add(text, $".reg .f32 sum<{4 * Tiles}>, s<2>;\nadd.u64 next, {a[0]}, {a[1]};\n");
        for (int u = 0; u < Blocks; u++)
        {
            Add(text, $"setp.gt.s32 in, {a[3]}, {StreamShape.Block * u};\nsetp.gt.and.s32 here, {a[2]}, 0, in;\n");
            Add(text, $"setp.gt.and.s32 there, {a[2]}, 8, in;\n");
            for (int i = 0; i < 16; i++)
            {
                Add(text, $"mov.b32 x{i}, 0;\n");
            }
            for (int half = 0; half < 2; half++)
            {
                int x = 4 * half, offset = (2 * StreamShape.Block * u) + (16 * half);
                Add(text, $"@here ld.global.v4.b32 {{x{x}, x{x + 1}, x{x + 2}, x{x + 3}}}, [{a[0]}+{offset}];\n");
                if (!shape.FewRows)
                {
                    Add(text, $"@there ld.global.v4.b32 {{x{x + 8}, x{x + 9}, x{x + 10}, x{x + 11}}}, [next+{offset}];\n");
                }
            }
            for (int t = 0; t < Tiles; t++)
            {
                for (int j = 0; j < Products; j++)
                {
                    Product(text, u, t, j);
                }
                Add(text, $"shfl.sync.idx.b32 s0, scale{t}, sources{u}, 31, 0xFFFFFFFF;\n");
                Add(text, $"shfl.sync.idx.b32 s1, scale{t}, nextSources{u}, 31, 0xFFFFFFFF;\n");
                for (int c = 0; c < 4; c++)
                {
                    Add(text, $"fma.rn.f32 acc{(4 * t) + c}, sum{(4 * t) + c}, s{c % 2}, acc{(4 * t) + c};\n");
                }
            }
        }
        text.Append("}\n");
    }

    // Four codes of the lane: bytes 2j and 2j + 1 of its eight.
    private void Product(StringBuilder text, int u, int t, int j)
    {
        for (int i = 0; i < 2; i++)
        {
            int of = (2 * ((u * Tiles) + t)) + (j / 2), index = (2 * (j % 2)) + i;
            Add(text, $"bfe.u32 at, codes{of}, {8 * index}, 8;\nmad.lo.u32 at, at, 128, table;\nld.shared.b32 b{i}, [at];\n");
        }
        string sums = $"{{sum{4 * t}, sum{(4 * t) + 1}, sum{(4 * t) + 2}, sum{(4 * t) + 3}}}";
        string x = $"{{x{2 * j}, x{(2 * j) + 8}, x{(2 * j) + 1}, x{(2 * j) + 9}}}";
        string before = j == 0 ? "{zero, zero, zero, zero}" : sums;
        Add(text, $"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {sums}, {x}, {{b0, b1}}, {before};\n");
    }

    private void Stage(StringBuilder text)
    {
        for (int t = 0; t < Tiles; t++)
        {
            int c = 4 * t;
            Add(text, $"st.shared.v4.f32 [sumsAt+{512 * t}], {{acc{c}, acc{c + 1}, acc{c + 2}, acc{c + 3}}};\n");
        }
    }

    // Arguments: address of the element, factor, address of its bias or 0, whether the bias is BF16, whether to add to the element.
    private void Result(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .u32 at;\n.reg .f32 sum, x;\n.reg .pred has, narrow, wide, add;\n.reg .b16 h, none;\n.reg .b32 bits;\n" +
            "mov.u32 at, %tid.x;\nmad.lo.u32 at, at, 4, sbase;\nmov.f32 sum, 0f00000000;\nmov.b16 none, 0;\n");
        for (int warp = 0; warp < StreamShape.Warps; warp++)
        {
            Add(text, $"ld.shared.f32 x, [at+{StreamShape.SumsAt + (warp * shape.WarpBytes)}];\nadd.f32 sum, sum, x;\n");
        }
        Add(text, $"mul.f32 sum, sum, {a[1]};\nsetp.ne.s64 has, {a[2]}, 0;\nsetp.ne.and.s32 narrow, {a[3]}, 0, has;\n");
        Add(text, $"setp.eq.and.s32 wide, {a[3]}, 0, has;\nmov.f32 x, 0f00000000;\n@wide ld.global.f32 x, [{a[2]}];\n");
        Add(text, $"mov.b16 h, 0;\n@narrow ld.global.b16 h, [{a[2]}];\nmov.b32 bits, {{none, h}};\n@narrow mov.b32 x, bits;\n");
        Add(text, $"add.f32 sum, sum, x;\nsetp.ne.s32 add, {a[4]}, 0;\nmov.f32 x, 0f00000000;\n");
        if (shape.Bf16Result)
        {
            Add(text, $"mov.b16 h, 0;\n@add ld.global.b16 h, [{a[0]}];\nmov.b32 bits, {{none, h}};\nmov.b32 x, bits;\n");
            Add(text, $"add.f32 sum, sum, x;\ncvt.rn.bf16.f32 h, sum;\nst.global.b16 [{a[0]}], h;\n}}\n");
        }
        else
        {
            Add(text, $"@add ld.global.f32 x, [{a[0]}];\nadd.f32 sum, sum, x;\nst.global.f32 [{a[0]}], sum;\n}}\n");
        }
    }

    private static void Add(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture));
}
